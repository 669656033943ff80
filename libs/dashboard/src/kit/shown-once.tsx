import { Alert, Code, Group, Stack, Text } from '@mantine/core';
import { IconKey } from '@tabler/icons-react';
import { CopyButton } from './copy';

/** A secret that no answer shows again. It is on the page until one leaves it, and nowhere else. */
export function ShownOnce({
  hint,
  label,
  secret,
  copyLabel,
}: {
  /** That it is shown only now. */
  hint: string;
  label: string;
  secret: string;
  copyLabel: string;
}) {
  return (
    <Alert color="orange" variant="outline" icon={<IconKey />} title={hint}>
      <Stack gap="xs">
        <Text size="sm" fw={600}>
          {label}
        </Text>
        <Code block style={{ overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }}>
          {secret}
        </Code>
        <Group>
          <CopyButton text={secret} what={label} label={copyLabel} />
        </Group>
      </Stack>
    </Alert>
  );
}

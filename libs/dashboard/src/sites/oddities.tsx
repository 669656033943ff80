import { Badge, type BadgeProps, Group, Stack, Text, Tooltip } from '@mantine/core';
import { t } from '@texts/oddities';
import type { components } from '@/api/types';

export type Oddity = components['schemas']['SiteItem']['oddities'][number];

/** What is odd about a site; nothing where nothing is. */
export function Oddities({ oddities }: { oddities: readonly Oddity[] }) {
  if (oddities.length === 0) return null;
  return (
    <Group gap={4}>
      {oddities.map((oddity) => (
        <Tooltip key={oddity} label={t[oddity].meaning}>
          <Mark oddity={oddity} />
        </Tooltip>
      ))}
    </Group>
  );
}

/** With what each means beside it: where there is room, and on a phone, which shows no tooltips. */
export function OdditiesInFull({ oddities }: { oddities: readonly Oddity[] }) {
  return (
    <Stack gap={6} mt="xs">
      {oddities.map((oddity) => (
        <Group key={oddity} gap="xs">
          <Mark oddity={oddity} />
          <Text size="sm">{t[oddity].meaning}.</Text>
        </Group>
      ))}
    </Stack>
  );
}

function Mark({ oddity, ...rest }: { oddity: Oddity } & BadgeProps) {
  return (
    <Badge variant="dot" color="orange.6" tt="none" fw={500} maw="100%" {...rest}>
      {t[oddity].label}
    </Badge>
  );
}

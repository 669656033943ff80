import { Anchor, Button, Code, Group, Paper, Stack, Text, Title } from '@mantine/core';
import { IconCircleCheck, IconClock } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { t } from '@texts/provisioning';
import { $api } from '@/api/client';
import { CopyButton, CopyId } from '@/kit/copy';
import { formatNumber } from '@/kit/formats';
import { useMay } from '@/session/session';
import type { CreatedKey } from './queries';
import { WaysToEnrol } from './ways-to-enrol';

/** A secret that was just made, the only time that it is shown, and how machines are started with it. */
export function IssuedKey({
  org,
  issued,
  isRotated,
}: {
  org: string;
  issued: CreatedKey;

  /** For a key that has made sites before: nobody waits for the first one. */
  isRotated?: boolean;
}) {
  const { siteProvisioningKey: key, trustFingerprint } = issued;
  return (
    <Stack>
      <Paper withBorder p="md">
        <Stack gap="sm">
          <Text fw={600}>{t.issued.once}</Text>
          <Group gap="sm" wrap="nowrap" align="flex-start">
            <Code
              block
              flex={1}
              role="group"
              aria-label={t.issued.secret}
              style={{ overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }}
            >
              {key}
            </Code>
            <CopyButton text={key} what={t.issued.secret} label={t.issued.copyKey} />
          </Group>
          <Group gap="xs">
            <Text size="sm" c="dimmed">
              {t.issued.trust}
            </Text>
            <CopyId id={trustFingerprint} what={t.issued.trust} />
          </Group>
        </Stack>
      </Paper>
      {!isRotated && <Arrivals org={org} issued={issued} />}
      <section>
        <Title order={2} mb="sm">
          {t.issued.how}
        </Title>
        <WaysToEnrol org={org} issued={issued} />
      </section>
    </Stack>
  );
}

/** What has come by the key so far: it changes by itself. */
function Arrivals({
  org,
  issued: { siteProvisioningKeyId: keyId, approveNewSites },
}: {
  org: string;
  issued: CreatedKey;
}) {
  const may = useMay(org);
  const { data } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/sites', {
      params: { path: { orgId: org }, query: { keyId, pageSize: 1 } },
    }),
    enabled: may('listSites'),
  });
  const count = data?.pagination.total;
  return (
    <Paper withBorder p="md">
      <Group justify="space-between" gap="sm">
        <Group gap="xs" aria-live="polite">
          {count ? <IconCircleCheck color="var(--mantine-color-teal-6)" /> : <IconClock opacity={0.6} />}
          <Text>{count ? t.issued.arrived(formatNumber(count), count === 1) : t.issued.waiting}</Text>
        </Group>
        <Group gap="md">
          {!!count && !approveNewSites && (
            <Button
              size="compact-sm"
              renderRoot={(props) => (
                <Link to="/org/$org/provisioning/pending" params={{ org }} search={{ key: keyId }} {...props} />
              )}
            >
              {t.issued.toPending}
            </Button>
          )}
          <Anchor
            size="sm"
            renderRoot={(props) => (
              <Link to="/org/$org/provisioning/keys/$key" params={{ org, key: keyId }} {...props} />
            )}
          >
            {t.issued.toKey}
          </Anchor>
        </Group>
      </Group>
    </Paper>
  );
}

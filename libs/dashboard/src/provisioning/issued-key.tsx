import { Alert, Anchor, Button, Code, Group, Paper, Stack, Tabs, Text, Title } from '@mantine/core';
import { IconAlertTriangle, IconCircleCheck, IconClock } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { t } from '@texts/provisioning';
import { $api } from '@/api/client';
import { CopyButton, CopyId } from '@/kit/copy';
import { formatNumber } from '@/kit/formats';
import { useMay } from '@/session/session';
import { type CreatedKey, useTemplates } from './queries';
import { type Enrolment, type Step, snippetsFor, warningsFor } from './snippets';

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
  const { siteProvisioningKey: key, trustFingerprint, endpoint, deviceEndpoint, templateId } = issued;
  const template = useTemplates(org)?.find((one) => one.templateId === templateId);
  const enrolment: Enrolment = { key, trustFingerprint, endpoint, deviceEndpoint };
  // Who may not read templates is shown what most of them let in.
  const door = template ?? { newtDoor: true, credentialType: 'api_key' as const };
  const snippets = snippetsFor(enrolment, door);
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
        <Stack gap="sm">
          {warningsFor(enrolment, door).map((warning) => (
            <Alert key={warning} color="orange" variant="outline" icon={<IconAlertTriangle />}>
              {warning === 'noDevicePort' ? t.issued.warnings.noDevicePort : t.issued.warnings[warning](endpoint)}
            </Alert>
          ))}
          {snippets.length === 0 ? (
            <Text>{t.issued.noWay}</Text>
          ) : (
            <Tabs defaultValue={snippets[0]!.kind} key={template?.templateId}>
              <Tabs.List aria-label={t.issued.ways} mb="sm">
                {snippets.map(({ kind }) => (
                  <Tabs.Tab key={kind} value={kind}>
                    {t.issued.kinds[kind]}
                  </Tabs.Tab>
                ))}
              </Tabs.List>
              {snippets.map(({ kind, steps }) => (
                <Tabs.Panel key={kind} value={kind}>
                  <Stack gap="md">
                    {steps.map((step) => (
                      <StepOf key={step.file ?? step.text} step={step} />
                    ))}
                  </Stack>
                </Tabs.Panel>
              ))}
            </Tabs>
          )}
        </Stack>
      </section>
    </Stack>
  );
}

function StepOf({ step: { file, text } }: { step: Step }) {
  return (
    <Stack gap={4}>
      <Group justify="space-between" gap="sm">
        <Text size="sm" fw={500} ff={file && 'monospace'}>
          {file ?? t.issued.run}
        </Text>
        <CopyButton
          text={`${text}\n`}
          what={file ?? t.issued.run}
          label={file ? t.issued.copyFile(file.split('/').at(-1)!) : t.issued.copyLines}
        />
      </Group>
      <Code block tabIndex={0} role="region" aria-label={file ?? t.issued.run} style={{ overflowX: 'auto' }}>
        {text}
      </Code>
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

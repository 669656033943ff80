import { Alert, Code, Group, Stack, Tabs, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { t } from '@texts/provisioning';
import { CopyButton } from '@/kit/copy';
import { type CreatedKey, useTemplates } from './queries';
import { type Enrolment, type Step, snippetsFor, warningsFor } from './snippets';

/** How machines are started with a secret that was just made: a tab for each way that its template lets in, the plainest first. */
export function WaysToEnrol({ org, issued }: { org: string; issued: CreatedKey }) {
  const { siteProvisioningKey: key, trustFingerprint, endpoint, deviceEndpoint, templateId } = issued;
  const template = useTemplates(org)?.find((one) => one.templateId === templateId);
  const enrolment: Enrolment = { key, trustFingerprint, endpoint, deviceEndpoint };
  // Who may not read templates is shown what most of them let in.
  const door = template ?? { newtDoor: true, credentialType: 'api_key' as const };
  const snippets = snippetsFor(enrolment, door);
  return (
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

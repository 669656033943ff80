import { Button, Card, FileButton, Group, SegmentedControl, Stack, Text, Textarea } from '@mantine/core';
import { useForm } from '@mantine/form';
import { modals } from '@mantine/modals';
import { IconUpload } from '@tabler/icons-react';
import { t as common } from '@texts/common';
import { t } from '@texts/rollout';
import { useState } from 'react';
import { api } from '@/api/client';
import { ApiProblem } from '@/api/problem';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import { ApiForm, applyProblems } from '@/kit/form';
import { formatNumber } from '@/kit/formats';
import { toastDone, toastProblem } from '@/kit/toasts';
import { useMay } from '@/session/session';
import { ROLLOUT } from './queries';
import { DeviceTable, type Standing, saveDevices } from './standings';

type Lookup = components['schemas']['SiteLookupView'];

const SHOWN = 100;
const PAGE = 1000;
const texts = t.list;

/** Ids as they stand in a column, a line or a CSV file of one column. */
const idsOf = (text: string): string[] => text.split(/[\s,;]+/).filter(Boolean);

/** What is known of each, as the list of a key that was kept. */
async function lookUp(orgId: string, siteProvisioningKeyId: string, hardwareIds: string[]): Promise<Lookup> {
  const { data } = await api.POST('/org/{orgId}/site-lookup', {
    params: { path: { orgId } },
    body: { hardwareIds, siteProvisioningKeyId },
  });
  return data!;
}

/** The list that is kept with a key, all its pages. */
async function keptIds(orgId: string, siteProvisioningKeyId: string): Promise<string[]> {
  const ids: string[] = [];
  for (let page = 1; ; page++) {
    const { data } = await api.GET('/org/{orgId}/site-provisioning-key/{siteProvisioningKeyId}/expected', {
      params: { path: { orgId, siteProvisioningKeyId }, query: { page, pageSize: PAGE } },
    });
    ids.push(...data!.hardwareIds);
    if (data!.hardwareIds.length === 0 || ids.length >= data!.pagination.total) return ids;
  }
}

/** The kept list with what is known of each machine, as a file. */
export async function exportExpected(org: string, keyId: string): Promise<void> {
  const { devices } = await lookUp(org, keyId, await keptIds(org, keyId));
  saveDevices(`expected-${keyId}.csv`, devices);
}

export async function openExpectedList(org: string, keyId: string, hasList: boolean): Promise<void> {
  const kept = hasList ? await keptIds(org, keyId) : [];
  const id = modals.open({
    title: texts.title,
    size: 'xl',
    children: <ExpectedList org={org} keyId={keyId} kept={kept} onClose={() => modals.close(id)} />,
  });
}

/** The list of a delivery note: looked up at once, or kept with the key, which from then on says what is missing. */
function ExpectedList({
  org,
  keyId,
  kept,
  onClose,
}: {
  org: string;
  keyId: string;
  kept: string[];
  onClose: () => void;
}) {
  const mayLookUp = useMay(org)('listClaims');
  const form = useForm({ mode: 'controlled', initialValues: { hardwareIds: kept.join('\n') } });
  const [found, setFound] = useState<Lookup>();
  const [busy, setBusy] = useState(false);
  const ids = idsOf(form.values.hardwareIds);
  const look = async () => {
    setBusy(true);
    form.clearErrors();
    try {
      setFound(await lookUp(org, keyId, ids));
    } catch (problem) {
      if (!(problem instanceof ApiProblem)) throw problem;
      const rest = applyProblems(form, problem);
      if (rest) toastProblem(new Error(rest));
    } finally {
      setBusy(false);
    }
  };
  const path = { orgId: org, siteProvisioningKeyId: keyId };
  const saved = async (said: string) => {
    toastDone(said);
    onClose();
    await queryClient.invalidateQueries({ queryKey: ['get', ROLLOUT] });
  };
  return (
    <ApiForm
      form={form}
      submitLabel={texts.keep}
      disabled={ids.length === 0}
      beside={
        <>
          <Button variant="subtle" color="gray" onClick={onClose}>
            {common.cancel}
          </Button>
          {mayLookUp && (
            <Button variant="default" loading={busy} disabled={ids.length === 0} onClick={() => void look()}>
              {texts.lookUp}
            </Button>
          )}
        </>
      }
      onSubmit={async () => {
        await api.PUT('/org/{orgId}/site-provisioning-key/{siteProvisioningKeyId}/expected', {
          params: { path },
          body: { hardwareIds: ids },
        });
        await saved(texts.saved);
      }}
    >
      <Textarea
        label={texts.hardwareIds}
        description={texts.hint}
        rows={8}
        styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
        spellCheck={false}
        data-autofocus
        {...form.getInputProps('hardwareIds')}
      />
      <Group justify="space-between" gap="sm">
        <Text size="sm" c="dimmed" aria-live="polite">
          {texts.count(formatNumber(ids.length))} {kept.length > 0 && texts.keepHint}
        </Text>
        <Group gap="sm">
          {kept.length > 0 && (
            <Button
              size="compact-sm"
              variant="subtle"
              color="gray"
              onClick={() =>
                void api
                  .DELETE('/org/{orgId}/site-provisioning-key/{siteProvisioningKeyId}/expected', { params: { path } })
                  .then(() => saved(texts.forgotten))
                  .catch(toastProblem)
              }
            >
              {texts.forget}
            </Button>
          )}
          <FileButton
            accept=".txt,.csv,text/plain,text/csv"
            onChange={(file) => void file?.text().then((text) => form.setFieldValue('hardwareIds', text))}
          >
            {(props) => (
              <Button {...props} size="compact-sm" variant="default" leftSection={<IconUpload size={16} />}>
                {texts.upload}
              </Button>
            )}
          </FileButton>
        </Group>
      </Group>
      {found && <Found org={org} keyId={keyId} found={found} />}
    </ApiForm>
  );
}

/** What the look-up says, those of one standing or all. */
function Found({ org, keyId, found: { devices, counts } }: { org: string; keyId: string; found: Lookup }) {
  const [shown, setShown] = useState<Standing | 'all'>('all');
  const rows = shown === 'all' ? devices : devices.filter(({ standing }) => standing === shown);
  const standings = (Object.keys(t.standings) as Standing[]).filter((standing) => counts[standing] > 0);
  return (
    <Card withBorder p="md" component="section" aria-label={texts.found}>
      <Stack gap="sm">
        <Group justify="space-between" gap="sm">
          <SegmentedControl
            size="xs"
            aria-label={texts.standings}
            value={shown}
            onChange={(value) => setShown(value as Standing | 'all')}
            data={[
              { value: 'all', label: `${texts.all} ${formatNumber(devices.length)}` },
              ...standings.map((standing) => ({
                value: standing,
                label: `${t.standings[standing]} ${formatNumber(counts[standing])}`,
              })),
            ]}
          />
          <Button size="compact-sm" variant="default" onClick={() => saveDevices(`machines-${keyId}.csv`, devices)}>
            {texts.export}
          </Button>
        </Group>
        <DeviceTable org={org} label={texts.found} devices={rows.slice(0, SHOWN)} />
        {rows.length > SHOWN && (
          <Text size="sm" c="dimmed">
            {texts.shown(formatNumber(SHOWN), formatNumber(rows.length))}
          </Text>
        )}
      </Stack>
    </Card>
  );
}

import { Alert, Button, Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { t } from '@texts/replacements';
import { $api, api } from '@/api/client';
import type { components } from '@/api/types';
import { confirm } from '@/kit/confirm';
import { Time } from '@/kit/time';
import { toastDone } from '@/kit/toasts';
import { useMay } from '@/session/session';
import { sitesChanged } from './queries';

export type WaitingReplacement = components['schemas']['WaitingReplacementView'];

const MINUTE_MS = 60_000;

/** The device that a site waits for, whoever prepared it and whenever; nothing where it waits for none. */
export function WaitingReplacementOf({ org, siteId }: { org: string; siteId: number }) {
  const may = useMay(org);
  const { data } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/site-replacements', {
      params: { path: { orgId: org }, query: { siteId } },
    }),
    enabled: may('listSites'),
    // No event tells that its time is over.
    refetchInterval: ({ state }) => (state.data?.replacements.length ? MINUTE_MS : false),
  });
  const replacement = data?.replacements[0];
  if (!replacement) return null;
  const { hardwareId, askedBy, askedAt, expiresAt } = replacement;
  return (
    <Alert variant="outline" title={t.title} role="status" mb="md">
      <Stack gap="xs" align="flex-start">
        <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
          {t.next(hardwareId)}
        </Text>
        <Group gap="lg">
          <Text size="sm" component="div">
            {t.prepared(askedBy)}, <Time at={askedAt} absolute />
          </Text>
          <Text size="sm" component="div">
            {t.until} <Time at={expiresAt} absolute />
          </Text>
        </Group>
        {may('updateSite') && (
          <Button size="compact-sm" variant="default" onClick={() => withdraw(replacement)}>
            {t.withdraw}
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

/** Says what becomes of the device, and asks. */
export function withdraw({ siteId, name, hardwareId }: WaitingReplacement): void {
  confirm({
    title: t.withdrawTitle,
    consequence: t.consequence(name, hardwareId),
    confirmLabel: t.withdraw,
    onConfirm: async () => {
      await api.DELETE('/site/{siteId}/replace', { params: { path: { siteId: String(siteId) } } });
      await sitesChanged();
      toastDone(t.withdrawn(name));
    },
  });
}

import { Button, Checkbox, Group, Stack, Text, TextInput } from '@mantine/core';
import { modals } from '@mantine/modals';
import { t as common } from '@texts/common';
import { t } from '@texts/provisioning';
import { api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import { newIdempotencyKey } from '@/api/versions';
import { confirmByName } from '@/kit/confirm';
import { formatNumber } from '@/kit/formats';
import { toastProblem } from '@/kit/toasts';

type Decide = components['schemas']['DecideBody'];
/** Which sites: those that were chosen, or all that match. */
export type Chosen = Pick<Decide, 'siteIds' | 'filter'>;
type Started = (job: { jobId: number; decision: Decide['decision'] }) => void;

/** Starts the job that decides. What follows from a decision the server knows. */
async function decide(org: string, body: Decide, started: Started): Promise<void> {
  const { data } = await api.POST('/org/{orgId}/approvals', {
    params: { path: { orgId: org }, header: { 'Idempotency-Key': newIdempotencyKey() } },
    body: { ...body, asJob: true },
  });
  if (data && 'jobId' in data) started({ jobId: data.jobId, decision: body.decision });
  await queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/sites'] });
}

export const approve = (org: string, chosen: Chosen, started: Started): void =>
  void decide(org, { ...chosen, decision: 'approve' }, started).catch(toastProblem);

/** All that match: the number is said before anything happens. */
export function approveAll(org: string, chosen: Chosen, count: number, started: Started): void {
  const number = formatNumber(count);
  modals.openConfirmModal({
    title: t.pending.approveAllTitle(number),
    children: <Text size="sm">{t.pending.approveAllConsequence}</Text>,
    labels: { confirm: t.pending.approveAll(number), cancel: common.cancel },
    onConfirm: () => approve(org, chosen, started),
  });
}

/** A rejection is for good: the name is typed, or of many their number. */
export function reject(
  org: string,
  chosen: Chosen,
  which: { name: string } | { count: number },
  started: Started,
): void {
  const given = { note: '', tombstone: true };
  const name = 'name' in which ? which.name : formatNumber(which.count);
  confirmByName({
    title: 'name' in which ? t.pending.rejectOne(name) : t.pending.rejectTitle(name),
    name,
    isNumber: 'count' in which,
    consequence: (
      <Stack gap="sm">
        <Text size="sm">{t.pending.rejectConsequence}</Text>
        <Checkbox
          label={t.pending.block}
          defaultChecked
          onChange={({ currentTarget }) => {
            given.tombstone = currentTarget.checked;
          }}
        />
        <TextInput
          label={t.pending.note}
          maxLength={2000}
          onChange={({ currentTarget }) => {
            given.note = currentTarget.value;
          }}
        />
      </Stack>
    ),
    confirmLabel: t.pending.reject,
    onConfirm: () =>
      decide(
        org,
        { ...chosen, decision: 'reject', tombstone: given.tombstone, ...(given.note ? { note: given.note } : {}) },
        started,
      ),
  });
}

/** The two buttons of a row. */
export function RowDecision({
  org,
  site,
  started,
}: {
  org: string;
  site: { siteId: number; name: string };
  started: Started;
}) {
  const chosen = { siteIds: [site.siteId] };
  return (
    <Group gap={6} wrap="nowrap">
      <Button
        size="compact-sm"
        variant="light"
        aria-label={t.pending.approveOne(site.name)}
        onClick={() => approve(org, chosen, started)}
      >
        {t.pending.approve}
      </Button>
      <Button
        size="compact-sm"
        variant="subtle"
        color="gray"
        c="var(--mantine-color-error)"
        aria-label={t.pending.rejectOne(site.name)}
        onClick={() => reject(org, chosen, site, started)}
      >
        {t.pending.reject}
      </Button>
    </Group>
  );
}

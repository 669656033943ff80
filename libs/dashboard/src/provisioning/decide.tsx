import { Alert, Button, Checkbox, Group, List, Stack, Text, TextInput } from '@mantine/core';
import { modals } from '@mantine/modals';
import { IconAlertTriangle } from '@tabler/icons-react';
import { t as common } from '@texts/common';
import { t } from '@texts/pending';
import { useState } from 'react';
import { api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import { newIdempotencyKey } from '@/api/versions';
import { type Call, callOf, lastCall } from '@/api/written';
import { confirmByName } from '@/kit/confirm';
import { CopyAsCurl } from '@/kit/copy';
import { formatNumber } from '@/kit/formats';
import { PageLink } from '@/kit/page-link';
import { toastProblem } from '@/kit/toasts';
import { Oddities, type Oddity } from '@/sites/oddities';

type Decide = components['schemas']['DecideBody'];
type Site = Pick<components['schemas']['SiteItem'], 'siteId' | 'name' | 'oddities'>;
/** Which sites: those that were chosen, or all that match. */
export type Chosen = Pick<Decide, 'siteIds' | 'filter' | 'upToSiteId' | 'limit'>;
/** `call`: how the job was begun. */
export type Started = (job: {
  jobId: number;
  decision: Decide['decision'];
  call: (() => Promise<Call>) | undefined;
}) => void;

/** Of what a dialog names. */
const SHOWN = 10;

/** Starts the job that decides. What follows from a decision the server knows. */
async function decide(org: string, body: Decide, started: Started): Promise<void> {
  const { data } = await api.POST('/org/{orgId}/approvals', {
    params: { path: { orgId: org }, header: { 'Idempotency-Key': newIdempotencyKey() } },
    body: { ...body, asJob: true },
  });
  if (data && 'jobId' in data) started({ jobId: data.jobId, decision: body.decision, call: lastCall() });
  await queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/sites'] });
}

/** What a decision would come to, of what was seen. */
interface Foreseen {
  /** So many would be decided on. */
  count: number;
  /** The same sites, and no newer ones. */
  chosen: Chosen;
  odd: { siteId: number; name: string | undefined; oddities: readonly Oddity[] }[];
  oddCount: number;
  refused: { why: string; count: number }[];
}

/** A dry run. @param seen rows of the page, for their names */
async function foresee(
  org: string,
  chosen: Chosen,
  decision: Decide['decision'],
  seen: readonly Site[],
): Promise<Foreseen> {
  const { data } = await api.POST('/org/{orgId}/approvals', {
    params: { path: { orgId: org } },
    body: { ...chosen, decision, dryRun: true },
  });
  const { results, remaining, upToSiteId } = data as components['schemas']['DecisionResults'];
  const would = decision === 'approve' ? 'approved' : 'rejected';
  const refusals = new Map<string, number>();
  for (const { outcome, message } of results)
    if (outcome !== would) refusals.set(message ?? outcome, (refusals.get(message ?? outcome) ?? 0) + 1);
  const names = new Map(seen.map(({ siteId, name }) => [siteId, name]));
  const odd = results
    .filter(({ outcome, oddities }) => outcome === would && oddities && oddities.length > 0)
    .map(({ siteId, oddities }) => ({ siteId, name: names.get(siteId), oddities: oddities! }));
  // A dry run goes through the thousand oldest: of more the list says how many are odd.
  const oddCount = remaining > 0 && chosen.filter ? await countOdd(org, chosen.filter) : odd.length;
  return {
    count: results.filter(({ outcome }) => outcome === would).length + remaining,
    chosen: chosen.filter
      ? { ...chosen, ...(upToSiteId === null ? {} : { upToSiteId }), limit: results.length + remaining }
      : chosen,
    odd,
    oddCount,
    refused: [...refusals].map(([why, count]) => ({ why, count })),
  };
}

async function countOdd(orgId: string, filter: NonNullable<Decide['filter']>): Promise<number> {
  const { data } = await api.GET('/org/{orgId}/sites', {
    params: { path: { orgId }, query: { ...filter, odd: true, pageSize: 1 } },
  });
  return data!.pagination.total;
}

export const approve = (org: string, chosen: Chosen, started: Started): void =>
  void decide(org, { ...chosen, decision: 'approve' }, started).catch(toastProblem);

/** Many at once: first what would come of it, and which of them are odd. */
export async function approveMany(org: string, chosen: Chosen, seen: readonly Site[], started: Started): Promise<void> {
  const foreseen = await foresee(org, chosen, 'approve', seen);
  const id = modals.open({
    title: t.approveTitle(foreseen.count, formatNumber(foreseen.count)),
    size: 'lg',
    children: <ApproveMany org={org} foreseen={foreseen} started={started} onClose={() => modals.close(id)} />,
  });
}

function ApproveMany({
  org,
  foreseen: { count, chosen, odd, oddCount, refused },
  started,
  onClose,
}: {
  org: string;
  foreseen: Foreseen;
  started: Started;
  onClose: () => void;
}) {
  const [busy, setBusy] = useState(false);
  const oddIds = new Set(odd.map(({ siteId }) => siteId));
  const notOdd: Chosen = chosen.filter
    ? { ...chosen, filter: { ...chosen.filter, odd: false } }
    : { siteIds: chosen.siteIds?.filter((siteId) => !oddIds.has(siteId)) ?? [] };
  const act = (of: Chosen) => {
    setBusy(true);
    void decide(org, { ...of, decision: 'approve' }, started)
      .then(onClose)
      .catch((problem: unknown) => {
        setBusy(false);
        toastProblem(problem);
      });
  };
  const rest = count - oddCount;
  const shown = odd.slice(0, SHOWN);
  return (
    <Stack>
      <Text size="sm">{count === 0 ? t.nothing : t.consequence}</Text>
      {refused.map(({ why, count: number }) => (
        <Text key={why} size="sm">
          {t.refused(number, formatNumber(number), why)}
        </Text>
      ))}
      {oddCount > 0 && (
        <Alert color="orange" variant="outline" icon={<IconAlertTriangle />}>
          <Text size="sm" fw={600} mb={4}>
            {t.odd(oddCount, formatNumber(oddCount))}
          </Text>
          <List size="sm" spacing={6} listStyleType="none">
            {shown.map(({ siteId, name, oddities }) => (
              <List.Item key={siteId}>
                <Group gap="xs">
                  <PageLink to="/org/$org/sites/$site" params={{ org, site: String(siteId) }} onClick={onClose}>
                    {name ?? t.site(siteId)}
                  </PageLink>
                  <Oddities oddities={oddities} />
                </Group>
              </List.Item>
            ))}
          </List>
          {oddCount > shown.length && (
            <Text size="sm" mt={4}>
              {t.more(formatNumber(oddCount - shown.length))}
            </Text>
          )}
        </Alert>
      )}
      <Group justify="flex-end" gap="sm">
        {count > 0 && (
          <CopyAsCurl
            isIcon
            call={() =>
              callOf(() =>
                decide(org, { ...(oddCount > 0 && rest > 0 ? notOdd : chosen), decision: 'approve' }, started),
              )
            }
          />
        )}
        <Button variant="subtle" color="gray" onClick={onClose}>
          {common.cancel}
        </Button>
        {count > 0 && oddCount > 0 && (
          <Button variant="default" loading={busy} onClick={() => act(chosen)}>
            {t.approveAnyway(count, formatNumber(count))}
          </Button>
        )}
        {oddCount > 0
          ? rest > 0 && (
              <Button data-autofocus loading={busy} onClick={() => act(notOdd)}>
                {t.approveNotOdd(formatNumber(rest))}
              </Button>
            )
          : count > 0 && (
              <Button data-autofocus loading={busy} onClick={() => act(chosen)}>
                {t.approveThese(count, formatNumber(count))}
              </Button>
            )}
      </Group>
    </Stack>
  );
}

/** Many at once: first how many it would be. */
export async function rejectMany(org: string, chosen: Chosen, started: Started): Promise<void> {
  const { count, chosen: bounded, refused } = await foresee(org, chosen, 'reject', []);
  if (count === 0) return toastProblem(new Error(refused[0]?.why ?? t.nothing));
  const number = formatNumber(count);
  const why = refused.map((one) => t.refused(one.count, formatNumber(one.count), one.why));
  confirmRejection(org, bounded, { title: t.rejectTitle(count, number), name: number, isNumber: true, why }, started);
}

/** A rejection is for good: the name is typed, or of many their number. */
function confirmRejection(
  org: string,
  chosen: Chosen,
  asked: { title: string; name: string; isNumber?: boolean; why?: string[] },
  started: Started,
): void {
  const given = { note: '', tombstone: true };
  const { why = [], ...question } = asked;
  confirmByName({
    ...question,
    consequence: (
      <Stack gap="sm">
        <Text size="sm">{t.rejectConsequence}</Text>
        {why.map((one) => (
          <Text key={one} size="sm">
            {one}
          </Text>
        ))}
        <Checkbox
          label={t.block}
          defaultChecked
          onChange={({ currentTarget }) => {
            given.tombstone = currentTarget.checked;
          }}
        />
        <TextInput
          label={t.note}
          maxLength={2000}
          onChange={({ currentTarget }) => {
            given.note = currentTarget.value;
          }}
        />
      </Stack>
    ),
    confirmLabel: t.reject,
    onConfirm: () =>
      decide(
        org,
        { ...chosen, decision: 'reject', tombstone: given.tombstone, ...(given.note ? { note: given.note } : {}) },
        started,
      ),
  });
}

/** The two buttons of a row. */
export function RowDecision({ org, site, started }: { org: string; site: Site; started: Started }) {
  const chosen = { siteIds: [site.siteId] };
  return (
    <Group gap={6} wrap="nowrap">
      <Button
        size="compact-sm"
        variant="light"
        aria-label={t.approveOne(site.name)}
        onClick={() => approve(org, chosen, started)}
      >
        {t.approve}
      </Button>
      <Button
        size="compact-sm"
        variant="subtle"
        color="gray"
        c="var(--mantine-color-error)"
        aria-label={t.rejectOne(site.name)}
        onClick={() => confirmRejection(org, chosen, { title: t.rejectOne(site.name), name: site.name }, started)}
      >
        {t.reject}
      </Button>
    </Group>
  );
}

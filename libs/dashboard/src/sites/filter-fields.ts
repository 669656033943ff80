import { useQuery } from '@tanstack/react-query';
import { t as oddities } from '@texts/oddities';
import { t } from '@texts/sites';
import { t as states } from '@texts/states';
import { useProfiles } from '@/configuration/queries';
import { formatNumber } from '@/kit/formats';
import type { FilterField } from '@/list/filter-box';
import { useKeys, useTemplates } from '@/provisioning/queries';
import { facetsQuery } from './queries';
import { ASKED, type FilterKey } from './site-filter';

type Values = NonNullable<FilterField['values']>;

const named = (texts: Record<string, string>): Values =>
  Object.entries(texts).map(([value, label]) => ({ value, label }));
const YES_NO: Values = [{ value: t.yes }, { value: t.no }];
const AGES = named(t.ages);
const IDS: readonly FilterKey[] = ['key', 'template', 'profile'];

const FIXED: Partial<Record<FilterKey, Values>> = {
  labelled: YES_NO,
  odd: YES_NO,
  online: YES_NO,
  status: named(t.statuses),
  bundle: named(t.bundleStates),
  oddity: Object.entries(oddities).map(([value, { label }]) => ({ value, label })),
  seenBefore: AGES,
  seenAfter: AGES,
  createdBefore: AGES,
  createdAfter: AGES,
  credentialEndsBefore: AGES,
};

/** What sites can be filtered by, with what there is to choose from and how many sites have it. */
export function useFilterFields(orgId: string): FilterField[] {
  const { data: facets } = useQuery(facetsQuery(orgId));
  const keys = useKeys(orgId);
  const templates = useTemplates(orgId);
  const profiles = useProfiles(orgId);
  const counted = (value: string, count: number) => ({ value, label: t.counts(formatNumber(count), count) });
  const values: Partial<Record<FilterKey, Values>> = {
    ...FIXED,
    state: Object.entries(states).map(([value, { label }]) => ({
      value,
      label: facets ? `${label}, ${formatNumber(facets.states[value as keyof typeof states])}` : label,
    })),
    group: facets?.groups.map(({ name, count }) => counted(name, count)),
    label: facets?.labels.flatMap(({ key, count, values }) => [
      counted(key, count),
      ...values.map((one) => counted(`${key}=${one.value}`, one.count)),
    ]),
    agentVersion: facets?.agentVersions.map(({ agentVersion, count }) => counted(agentVersion, count)),
    key: keys?.map(({ siteProvisioningKeyId, name }) => ({ value: siteProvisioningKeyId, label: name })),
    template: templates?.map(({ templateId, name }) => ({ value: String(templateId), label: name })),
    profile: profiles?.map(({ profileId, name }) => ({ value: String(profileId), label: name })),
  };
  return (Object.keys(ASKED) as FilterKey[]).map((key) => ({
    key,
    label: t.fields[key],
    values: values[key],
    isId: IDS.includes(key),
    negatable: 'not' in ASKED[key],
    repeatable: 'list' in ASKED[key],
  }));
}

import { Box, Group, Stack } from '@mantine/core';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/claims';
import { PageHeader } from '@/kit/page';
import { FilterBox, type FilterField } from '@/list/filter-box';
import { filtersOf, type ListSearch, listSearch } from '@/list/search';
import { TimeRange } from '@/list/time-range';
import { type ClaimFilter, ClaimsTable } from '@/provisioning/claims-table';
import { useKeys } from '@/provisioning/queries';

export const Route = createFileRoute('/_frame/org/$org/provisioning/claims')({
  validateSearch: listSearch,
  component: Claims,
  staticData: { action: 'listClaims' },
});

const OUTCOMES = Object.entries(t.outcomes).map(([value, label]) => ({ value, label }));

/** Words that name no field are a hardware id: what one has in hand at a machine. */
function filterOf(search: ListSearch): ClaimFilter {
  const filters = filtersOf(search);
  const of = (field: string): string | undefined => filters.find((one) => one.field === field)?.value;
  return {
    outcome: of('outcome') as ClaimFilter['outcome'],
    keyId: of('key'),
    hardwareId: of('hardwareId') ?? search.q,
    address: of('address'),
    siteId: of('site') === undefined ? undefined : Number(of('site')),
    from: of('from'),
    to: of('to'),
  };
}

function Claims() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const keys = useKeys(org);
  const fields: FilterField[] = [
    { key: 'outcome', label: t.fields.outcome, values: OUTCOMES },
    {
      key: 'key',
      label: t.fields.key,
      values: keys?.map(({ siteProvisioningKeyId, name }) => ({ value: siteProvisioningKeyId, label: name })) ?? [],
    },
    { key: 'hardwareId', label: t.fields.hardwareId },
    { key: 'address', label: t.fields.address },
    { key: 'site', label: t.fields.site },
  ];
  const go = (next: ListSearch, replace = false) => void navigate({ search: next, replace });
  return (
    <>
      <PageHeader title={t.title} description={t.description} />
      <Stack gap="sm">
        <Group gap="sm" align="flex-start">
          <Box flex={1} miw={260}>
            <FilterBox label={t.list} search={search} fields={fields} onChange={go} />
          </Box>
          <TimeRange search={search} onChange={go} />
        </Group>
        <ClaimsTable org={org} filter={filterOf(search)} search={search} onSearch={go} />
      </Stack>
    </>
  );
}

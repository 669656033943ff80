import { Stack } from '@mantine/core';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/provisioning';
import { PageHeader } from '@/kit/page';
import { FilterBox, type FilterField } from '@/list/filter-box';
import { filtersOf, type ListSearch, listSearch } from '@/list/search';
import { type ClaimFilter, ClaimsTable } from '@/provisioning/claims-table';

export const Route = createFileRoute('/_frame/org/$org/provisioning/claims')({
  validateSearch: listSearch,
  component: Claims,
  staticData: { action: 'listClaims' },
});

const FIELDS: FilterField[] = [
  {
    key: 'outcome',
    label: t.claims.fields.outcome,
    values: Object.entries(t.claims.outcomes).map(([value, label]) => ({ value, label })),
  },
  { key: 'key', label: t.claims.fields.keyId },
  { key: 'hardwareId', label: t.claims.fields.hardwareId },
  { key: 'from', label: t.claims.fields.from },
  { key: 'to', label: t.claims.fields.to },
];

/** Words that name no field are a hardware id: what one has in hand at a machine. */
function filterOf(search: ListSearch): ClaimFilter {
  const filters = filtersOf(search);
  const of = (field: string): string | undefined => filters.find((one) => one.field === field)?.value;
  return {
    outcome: of('outcome') as ClaimFilter['outcome'],
    keyId: of('key'),
    hardwareId: of('hardwareId') ?? search.q,
    from: of('from'),
    to: of('to'),
  };
}

function Claims() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const go = (next: ListSearch, replace = false) => void navigate({ search: next, replace });
  return (
    <>
      <PageHeader title={t.claims.title} description={t.claims.description} />
      <Stack gap="sm">
        <FilterBox label={t.claims.list} search={search} fields={FIELDS} onChange={go} />
        <ClaimsTable org={org} filter={filterOf(search)} search={search} onSearch={go} />
      </Stack>
    </>
  );
}

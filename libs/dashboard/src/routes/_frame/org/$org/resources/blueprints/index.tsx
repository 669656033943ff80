import { Badge, Button, Group, Stack, Text } from '@mantine/core';
import { IconFileCode } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t as texts } from '@texts/blueprints';
import { $api } from '@/api/client';
import type { components } from '@/api/types';
import { EmptyState } from '@/kit/empty';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { Time } from '@/kit/time';
import { ListTable, PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/resources/blueprints/')({
  validateSearch: listSearch,
  component: Blueprints,
  staticData: { action: 'listBlueprints' },
});

type Blueprint = components['schemas']['BlueprintView'];

function Blueprints() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/blueprints', {
      params: { path: { orgId: org }, query: { page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const create = may('applyBlueprint') && (
    <Button renderRoot={(props) => <Link to="/org/$org/resources/blueprints/new" params={{ org }} {...props} />}>
      {texts.create}
    </Button>
  );
  const name = ({ blueprintId, name }: Blueprint) => (
    <PageLink to="/org/$org/resources/blueprints/$blueprint" params={{ org, blueprint: String(blueprintId) }}>
      {name}
    </PageLink>
  );
  const result = ({ succeeded }: Blueprint) => (
    <Badge variant="default" tt="none" fw={500} c={succeeded ? undefined : 'var(--mantine-color-error)'}>
      {succeeded ? texts.succeeded : texts.failed}
    </Badge>
  );
  /** The API tells it in seconds. */
  const applied = ({ createdAt }: Blueprint) => <Time at={new Date(createdAt * 1000).toISOString()} />;
  return (
    <>
      <PageHeader title={texts.title} actions={create} />
      <ListTable
        id="blueprints"
        label={texts.list}
        query={query}
        rows={query.data?.blueprints}
        total={query.data?.pagination.total}
        rowId={({ blueprintId }) => blueprintId}
        columns={[
          { key: 'name', title: texts.columns.name, render: name },
          { key: 'result', title: texts.columns.result, render: result, width: 120 },
          { key: 'source', title: texts.columns.source, render: ({ source }) => texts.sources[source], width: 140 },
          { key: 'createdAt', title: texts.columns.createdAt, render: applied, width: 140 },
        ]}
        search={search}
        onSearch={(next) => void navigate({ search: next })}
        exported={{ path: `/org/${org}/blueprints` }}
        card={(blueprint) => (
          <Stack gap={6}>
            <Group justify="space-between" wrap="nowrap" align="flex-start">
              {name(blueprint)}
              {result(blueprint)}
            </Group>
            <Text size="sm" c="dimmed" component="div">
              {texts.sources[blueprint.source]} · {applied(blueprint)}
            </Text>
          </Stack>
        )}
        empty={
          <EmptyState icon={<IconFileCode />} title={texts.empty.title} description={texts.empty.description}>
            {create}
          </EmptyState>
        }
      />
    </>
  );
}

import { Stack, Text } from '@mantine/core';
import { IconFileText } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/configuration';
import { $api } from '@/api/client';
import type { Profile } from '@/configuration/queries';
import { EmptyState } from '@/kit/empty';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { ListTable, PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';

export const Route = createFileRoute('/_frame/org/$org/configuration/start-up/')({
  validateSearch: listSearch,
  component: StartUpDocuments,
  staticData: { action: 'listProvisioningProfiles' },
});

const texts = t.startUp;

function StartUpDocuments() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/provisioning-profiles', {
      params: { path: { orgId: org }, query: { page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const name = ({ profileId, name }: Profile) => (
    <PageLink to="/org/$org/configuration/start-up/$profile" params={{ org, profile: String(profileId) }}>
      {name}
    </PageLink>
  );
  const revision = ({ bootstrapRevision }: Profile) =>
    bootstrapRevision === null ? texts.none : texts.revision(bootstrapRevision);
  return (
    <>
      <PageHeader title={texts.title} description={texts.description} />
      <ListTable
        id="start-up"
        label={texts.list}
        query={query}
        rows={query.data?.provisioningProfiles}
        total={query.data?.pagination.total}
        rowId={({ profileId }) => profileId}
        columns={[
          { key: 'name', title: texts.columns.name, render: name },
          { key: 'revision', title: texts.columns.revision, render: revision, width: 180 },
          { key: 'sealed', title: texts.columns.sealed, render: ({ sealed }) => texts.sealed[sealed], width: 160 },
        ]}
        search={search}
        onSearch={(next) => void navigate({ search: next })}
        exported={{ path: `/org/${org}/provisioning-profiles` }}
        card={(profile) => (
          <Stack gap={6}>
            {name(profile)}
            <Text size="sm" c="dimmed">
              {revision(profile)}
            </Text>
          </Stack>
        )}
        empty={<EmptyState icon={<IconFileText />} title={texts.empty.title} description={texts.empty.description} />}
      />
    </>
  );
}

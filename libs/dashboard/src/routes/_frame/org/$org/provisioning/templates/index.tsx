import { Anchor, Button, Code, Stack, Text } from '@mantine/core';
import { IconTemplate } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t } from '@texts/provisioning';
import { $api } from '@/api/client';
import { EmptyState } from '@/kit/empty';
import { PageHeader } from '@/kit/page';
import { Time } from '@/kit/time';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';
import type { Template } from '@/provisioning/queries';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/provisioning/templates/')({
  validateSearch: listSearch,
  component: Templates,
  staticData: { action: 'listProvisioningTemplates' },
});

function Templates() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/provisioning-templates', {
      params: { path: { orgId: org }, query: { page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const create = may('createProvisioningTemplate') && (
    <Button renderRoot={(props) => <Link to="/org/$org/provisioning/templates/new" params={{ org }} {...props} />}>
      {t.templates.create}
    </Button>
  );
  const name = ({ templateId, name }: Template) => (
    <Anchor
      fw={500}
      size="sm"
      style={{ overflowWrap: 'anywhere' }}
      renderRoot={(props) => (
        <Link
          to="/org/$org/provisioning/templates/$template"
          params={{ org, template: String(templateId) }}
          {...props}
        />
      )}
    >
      {name}
    </Anchor>
  );
  const approval = ({ approveNewSites }: Template) => (approveNewSites ? t.key.atOnce : t.key.byHand);
  const columns: Column<Template>[] = [
    { key: 'name', title: t.templates.columns.name, render: name },
    {
      key: 'credentialType',
      title: t.templates.columns.credential,
      render: ({ credentialType }) => t.templates.credentials[credentialType],
      width: 150,
    },
    { key: 'approval', title: t.templates.columns.approval, render: approval, width: 110 },
    {
      key: 'hardwareIdPattern',
      title: t.templates.columns.pattern,
      render: ({ hardwareIdPattern }) =>
        hardwareIdPattern ? (
          <Code>{hardwareIdPattern}</Code>
        ) : (
          <Text span c="dimmed" size="sm">
            {t.templates.anyHardware}
          </Text>
        ),
    },
    {
      key: 'createdAt',
      title: t.templates.columns.createdAt,
      render: ({ createdAt }) => <Time at={createdAt} />,
      width: 130,
    },
  ];
  return (
    <>
      <PageHeader title={t.templates.title} actions={create} />
      <ListTable
        id="templates"
        label={t.templates.list}
        query={query}
        rows={query.data?.provisioningTemplates}
        total={query.data?.pagination.total}
        rowId={({ templateId }) => templateId}
        columns={columns}
        search={search}
        onSearch={(next) => void navigate({ search: next })}
        exported={{ path: `/org/${org}/provisioning-templates` }}
        card={(template) => (
          <Stack gap={6}>
            {name(template)}
            <Text size="sm" c="dimmed">
              {[t.templates.credentials[template.credentialType], approval(template)].join(' · ')}
            </Text>
          </Stack>
        )}
        empty={
          <EmptyState
            icon={<IconTemplate />}
            title={t.templates.empty.title}
            description={t.templates.empty.description}
          >
            {create}
          </EmptyState>
        }
      />
    </>
  );
}

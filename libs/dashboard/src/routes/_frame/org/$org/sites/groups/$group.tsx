import { Button } from '@mantine/core';
import { useForm } from '@mantine/form';
import { modals } from '@mantine/modals';
import { IconFolders } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t as common } from '@texts/common';
import { t } from '@texts/groups';
import { t as acts } from '@texts/site-acts';
import { api } from '@/api/client';
import { newIdempotencyKey } from '@/api/versions';
import { confirmByName } from '@/kit/confirm';
import { EmptyState } from '@/kit/empty';
import { Failure } from '@/kit/failure';
import { ApiForm } from '@/kit/form';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { toastDone } from '@/kit/toasts';
import { listSearch } from '@/list/search';
import { useMay } from '@/session/session';
import { GroupForm } from '@/sites/group-form';
import { groupQuery, groupsChanged, type SiteGroup, sitesChanged } from '@/sites/queries';
import { SitesSelect } from '@/sites/site-select';
import { SitesTable, useSitePage } from '@/sites/sites-table';

/** One group: its sites, as the list of all sites shows them. */
export const Route = createFileRoute('/_frame/org/$org/sites/groups/$group')({
  validateSearch: listSearch,
  component: GroupPage,
  staticData: { action: 'getGroup' },
});

function GroupPage() {
  const { org, group: id } = Route.useParams();
  const may = useMay(org);
  const { data: group, error, refetch } = useQuery(groupQuery(org, Number(id)));
  if (error && !group) return <Failure error={error} retry={refetch} />;
  return (
    <>
      <PageHeader
        above={
          <PageLink dimmed to="/org/$org/sites/groups" params={{ org }}>
            {t.back}
          </PageLink>
        }
        title={group?.name ?? ' '}
        description={group?.description}
        actions={group && <Actions org={org} group={group} />}
      />
      {group && may('listSites') && <Sites key={group.groupId} org={org} group={group} />}
    </>
  );
}

function Sites({ org, group }: { org: string; group: SiteGroup }) {
  const search = Route.useSearch();
  const page = useSitePage(org, search, { group: String(group.groupId) });
  return (
    <SitesTable
      id="sites"
      org={org}
      label={t.group.sites}
      search={search}
      page={page}
      empty={<EmptyState icon={<IconFolders />} title={t.group.empty.title} description={t.group.empty.description} />}
    />
  );
}

function Actions({ org, group }: { org: string; group: SiteGroup }) {
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const path = { orgId: org, groupId: group.groupId };
  const edit = () => {
    const id = modals.open({
      title: t.group.edit,
      children: (
        <GroupForm
          read={group}
          submitLabel={common.save}
          save={async (values) => {
            await api.POST('/org/{orgId}/group/{groupId}', { params: { path }, body: values });
            modals.close(id);
            toastDone(t.saved(values.name));
            await groupsChanged();
          }}
        />
      ),
    });
  };
  const add = () => {
    const id = modals.open({
      title: t.group.addTitle(group.name),
      children: <AddSites org={org} group={group} onDone={() => modals.close(id)} />,
    });
  };
  const remove = () =>
    confirmByName({
      title: t.group.deleteTitle(group.name),
      consequence: t.group.deleteConsequence,
      name: group.name,
      confirmLabel: common.remove,
      onConfirm: async () => {
        await api.DELETE('/org/{orgId}/group/{groupId}', { params: { path } });
        toastDone(t.group.deleted(group.name));
        await navigate({ to: '/org/$org/sites/groups', params: { org } });
        await groupsChanged();
      },
    });
  return (
    <>
      {may('updateSite') && may('listSites') && <Button onClick={add}>{t.group.add}</Button>}
      {may('updateGroup') && (
        <Button variant="default" onClick={edit}>
          {common.edit}
        </Button>
      )}
      {may('deleteGroup') && (
        <Button variant="default" c="var(--mantine-color-error)" onClick={remove}>
          {t.group.delete}
        </Button>
      )}
    </>
  );
}

function AddSites({ org, group, onDone }: { org: string; group: SiteGroup; onDone: () => void }) {
  const form = useForm({ mode: 'uncontrolled', initialValues: { siteIds: [] as string[] } });
  return (
    <ApiForm
      form={form}
      submitLabel={acts.actions.add_groups}
      onSubmit={async ({ siteIds }) => {
        await api.POST('/org/{orgId}/site-actions', {
          params: { path: { orgId: org }, header: { 'Idempotency-Key': newIdempotencyKey() } },
          body: { siteIds: siteIds.map(Number), action: 'add_groups', groupIds: [group.groupId] },
        });
        onDone();
        toastDone(acts.started);
        await Promise.all([groupsChanged(), sitesChanged()]);
      }}
    >
      <SitesSelect org={org} label={t.group.addLabel} key={form.key('siteIds')} {...form.getInputProps('siteIds')} />
    </ApiForm>
  );
}

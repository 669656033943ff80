import { ActionIcon, Button, Group, Menu, Modal, Skeleton, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDisclosure } from '@mantine/hooks';
import { IconDots, IconPlus, IconServer2 } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/access';
import { useState } from 'react';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import { newIdempotencyKey } from '@/api/versions';
import { confirmByName } from '@/kit/confirm';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { Failure } from '@/kit/failure';
import { ApiForm } from '@/kit/form';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { ShownOnce } from '@/kit/shown-once';
import { StateDot } from '@/kit/state-dot';
import { toastDone, toastProblem } from '@/kit/toasts';
import { FilterBox } from '@/list/filter-box';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { filtersOf, type ListSearch, listSearch } from '@/list/search';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/access/clients')({
  validateSearch: listSearch,
  component: Clients,
  staticData: { action: 'listClients' },
});

type Client = components['schemas']['ClientItem'];
type Status = keyof typeof t.clients.statuses;

const LIST = ['get', '/org/{orgId}/clients'];
const valuesOf = (texts: Record<string, string>) => Object.entries(texts).map(([value, label]) => ({ value, label }));
const FIELDS = [
  { key: 'status', label: t.clients.fields.status, values: valuesOf(t.clients.statuses) },
  { key: 'online', label: t.clients.fields.online, values: valuesOf(t.clients.onlines) },
];

function State({ of: { blocked, archived, online } }: { of: Client }) {
  if (blocked) return <StateDot color="red.6" label={t.clients.blocked} />;
  if (archived) return <StateDot color="gray.7" label={t.clients.archived} />;
  // A client is off as often as it is not used.
  if (online) return <StateDot color="teal.6" label={t.clients.online} />;
  return <StateDot color="gray.5" label={t.clients.offline} />;
}

function Clients() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const [creating, { open, close }] = useDisclosure();
  const filters = filtersOf(search).filter(({ negated }) => !negated);
  const statuses = filters
    .filter(({ field, value }) => field === 'status' && value in t.clients.statuses)
    .map(({ value }) => value as Status);
  const online = filters.find(({ field }) => field === 'online')?.value;
  const asked = {
    query: search.q,
    status: statuses.length > 0 ? statuses : undefined,
    online: online === undefined ? undefined : online === 'true',
  };
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/clients', {
      params: {
        path: { orgId: org },
        query: {
          ...asked,
          page: search.page,
          pageSize: PAGE_SIZE,
          sort_by: 'name',
          order: search.sort?.startsWith('-') ? 'desc' : 'asc',
        },
      },
    }),
  );
  const total = query.data?.pagination.total;
  const go = (next: ListSearch, replace = false) => void navigate({ search: next, replace });
  const button = may('createClient') && (
    <Button leftSection={<IconPlus size={16} />} onClick={open}>
      {t.clients.create}
    </Button>
  );
  const columns: Column<Client>[] = [
    { key: 'state', title: t.clients.columns.state, render: (client) => <State of={client} />, width: 110 },
    { key: 'name', title: t.clients.columns.name, render: ({ name }) => name, sortable: true },
    {
      key: 'address',
      title: t.clients.columns.address,
      render: ({ subnet }) => <CopyId id={subnet} what={t.clients.columns.address} />,
    },
    {
      key: 'sites',
      title: t.clients.columns.sites,
      render: ({ sites }) =>
        sites.length === 0 ? t.clients.noSites : sites.map(({ siteName }) => siteName).join(', '),
      ellipsis: true,
    },
    {
      key: 'olmId',
      title: t.clients.columns.olmId,
      render: ({ olmId }) => <CopyId id={olmId} what={t.clients.columns.olmId} />,
      hidden: true,
    },
    {
      key: 'acts',
      title: '',
      render: (client) => <Acts org={org} client={client} />,
      width: 60,
      textAlign: 'right',
    },
  ];
  return (
    <>
      <PageHeader
        title={t.clients.title}
        description={total !== undefined && t.clients.counts(formatNumber(total), total)}
        actions={button}
      />
      <Stack gap="sm">
        <FilterBox label={t.clients.list} search={search} fields={FIELDS} onChange={go} />
        <ListTable
          id="clients"
          label={t.clients.list}
          query={query}
          rows={query.data?.clients}
          total={total}
          rowId={({ clientId }) => clientId}
          columns={columns}
          search={search}
          onSearch={go}
          exported={{ path: `/org/${org}/clients`, query: asked }}
          card={(client) => (
            <Group justify="space-between" wrap="nowrap" align="flex-start">
              <Stack gap={4} miw={0}>
                <Text fw={500} size="sm" style={{ overflowWrap: 'anywhere' }}>
                  {client.name}
                </Text>
                <State of={client} />
                <Text size="sm" c="dimmed">
                  {client.subnet}
                </Text>
              </Stack>
              <Acts org={org} client={client} />
            </Group>
          )}
          empty={
            <EmptyState icon={<IconServer2 />} title={t.clients.empty.title} description={t.clients.empty.description}>
              {button}
            </EmptyState>
          }
        />
      </Stack>
      <Modal opened={creating} onClose={close} title={t.clients.form.title} closeOnClickOutside={false}>
        <ClientForm org={org} />
      </Modal>
    </>
  );
}

/** What can be done with one client. Blocking and archiving are undone by their opposites. */
function Acts({ org, client: { clientId, name, blocked, archived } }: { org: string; client: Client }) {
  const may = useMay(org);
  const path = { params: { path: { clientId } } };
  const calls = {
    block: () => api.POST('/client/{clientId}/block', path),
    unblock: () => api.POST('/client/{clientId}/unblock', path),
    archive: () => api.POST('/client/{clientId}/archive', path),
    unarchive: () => api.POST('/client/{clientId}/unarchive', path),
  };
  const refresh = () => queryClient.invalidateQueries({ queryKey: LIST });
  const act = async (what: keyof typeof calls, back?: keyof typeof calls) => {
    try {
      await calls[what]();
      toastDone(t.clients.done[what](name), back && (() => act(back)));
      await refresh();
    } catch (error) {
      toastProblem(error);
    }
  };
  const remove = () =>
    confirmByName({
      title: t.clients.confirm.title(name),
      consequence: t.clients.confirm.consequence,
      name,
      confirmLabel: t.clients.remove,
      gentler:
        !blocked && may('blockClient')
          ? { label: t.clients.confirm.gentler, onChoose: () => act('block', 'unblock') }
          : undefined,
      onConfirm: async () => {
        await api.DELETE('/client/{clientId}', path);
        toastDone(t.clients.done.remove(name));
        await refresh();
      },
    });
  const items = [
    blocked
      ? may('unblockClient') && { label: t.clients.unblock, onClick: () => void act('unblock', 'block') }
      : may('blockClient') && { label: t.clients.block, onClick: () => void act('block', 'unblock') },
    archived
      ? may('unarchiveClient') && { label: t.clients.unarchive, onClick: () => void act('unarchive', 'archive') }
      : may('archiveClient') && { label: t.clients.archive, onClick: () => void act('archive', 'unarchive') },
    may('deleteClient') && { label: t.clients.remove, onClick: remove, color: 'red' },
  ].filter((item) => item !== false);
  if (items.length === 0) return null;
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={t.clients.menu(name)}>
          <IconDots size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {items.map(({ label, ...item }) => (
          <Menu.Item key={label} {...item}>
            {label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

/** Address, id and secret are chosen by the server, and reserved for as long as the form is likely to be open. */
function ClientForm({ org }: { org: string }) {
  const { data, error, refetch } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/pick-client-defaults', { params: { path: { orgId: org } } }),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  if (error && !data) return <Failure error={error} retry={refetch} />;
  if (!data) return <Skeleton h={180} />;
  return <ChosenClientForm org={org} chosen={data} />;
}

function ChosenClientForm({
  org,
  chosen: { olmId, olmSecret, subnet },
}: {
  org: string;
  chosen: components['schemas']['ClientDefaults'];
}) {
  const [idempotencyKey] = useState(newIdempotencyKey);
  const [made, setMade] = useState(false);
  const form = useForm({ initialValues: { name: '', subnet } });
  if (made)
    return (
      <Stack>
        <Group gap="xs">
          <Text size="sm">{t.clients.made.olmId}</Text>
          <CopyId id={olmId} what={t.clients.made.olmId} />
        </Group>
        <ShownOnce
          hint={t.clients.made.once}
          label={t.clients.made.secret}
          secret={olmSecret}
          copyLabel={t.clients.made.copy}
        />
      </Stack>
    );
  return (
    <ApiForm
      form={form}
      submitLabel={t.clients.form.submit}
      onSubmit={async (values) => {
        await api.PUT('/org/{orgId}/client', {
          params: { path: { orgId: org }, header: { 'Idempotency-Key': idempotencyKey } },
          body: { ...values, olmId, secret: olmSecret, type: 'olm' },
        });
        setMade(true);
        await queryClient.invalidateQueries({ queryKey: LIST });
      }}
    >
      <TextInput label={t.clients.form.name} data-autofocus {...form.getInputProps('name')} />
      <TextInput
        label={t.clients.form.address}
        description={t.clients.form.addressHint}
        {...form.getInputProps('subnet')}
      />
    </ApiForm>
  );
}

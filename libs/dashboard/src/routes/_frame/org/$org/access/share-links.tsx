import { Button, Group, Modal, Select, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDisclosure } from '@mantine/hooks';
import { IconLink, IconPlus } from '@tabler/icons-react';
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
import { ApiForm } from '@/kit/form';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { ShownOnce } from '@/kit/shown-once';
import { Time } from '@/kit/time';
import { toastDone } from '@/kit/toasts';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/access/share-links')({
  validateSearch: listSearch,
  component: ShareLinks,
  staticData: { action: 'listAccessTokens' },
});

type ShareLink = components['schemas']['AccessTokenItem'];

const LIST = ['get', '/org/{orgId}/access-tokens'];
const instant = (milliseconds: number | null): string | null =>
  milliseconds === null ? null : new Date(milliseconds).toISOString();
const titleOf = ({ title }: Pick<ShareLink, 'title'>): string => title || t.shareLinks.untitled;

function ShareLinks() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const [creating, { open, close }] = useDisclosure();
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/access-tokens', {
      params: { path: { orgId: org }, query: { page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const total = query.data?.pagination.total;
  // Without the names of resources there is nothing to choose from.
  const button = may('generateAccessToken') && may('listResources') && (
    <Button leftSection={<IconPlus size={16} />} onClick={open}>
      {t.shareLinks.create}
    </Button>
  );
  const remove = (link: ShareLink) =>
    may('deleteAcessToken') && (
      <Button
        size="compact-sm"
        variant="default"
        aria-label={`${t.shareLinks.remove} ${titleOf(link)}`}
        onClick={() =>
          confirmByName({
            title: t.shareLinks.confirm.title(titleOf(link)),
            consequence: t.shareLinks.confirm.consequence,
            name: link.title || link.resourceName,
            confirmLabel: t.shareLinks.remove,
            onConfirm: async () => {
              await api.DELETE('/access-token/{accessTokenId}', {
                params: { path: { accessTokenId: link.accessTokenId } },
              });
              toastDone(t.shareLinks.done(titleOf(link)));
              await queryClient.invalidateQueries({ queryKey: LIST });
            },
          })
        }
      >
        {t.shareLinks.remove}
      </Button>
    );
  const columns: Column<ShareLink>[] = [
    { key: 'title', title: t.shareLinks.columns.title, render: titleOf },
    { key: 'resource', title: t.shareLinks.columns.resource, render: ({ resourceName }) => resourceName },
    {
      key: 'createdAt',
      title: t.shareLinks.columns.createdAt,
      render: ({ createdAt }) => <Time at={instant(createdAt)} />,
      width: 140,
    },
    {
      key: 'expiresAt',
      title: t.shareLinks.columns.expiresAt,
      render: ({ expiresAt }) => <Time at={instant(expiresAt)} otherwise={t.shareLinks.noEnd} />,
      width: 140,
    },
    { key: 'acts', title: '', render: remove, width: 110, textAlign: 'right' },
  ];
  return (
    <>
      <PageHeader
        title={t.shareLinks.title}
        description={total !== undefined && t.shareLinks.counts(formatNumber(total), total)}
        actions={button}
      />
      <ListTable
        id="share-links"
        label={t.shareLinks.list}
        query={query}
        rows={query.data?.accessTokens}
        total={total}
        rowId={({ accessTokenId }) => accessTokenId}
        columns={columns}
        search={search}
        onSearch={(next) => void navigate({ search: next })}
        exported={{ path: `/org/${org}/access-tokens` }}
        card={(link) => (
          <Stack gap={6}>
            <Text fw={500} size="sm" style={{ overflowWrap: 'anywhere' }}>
              {titleOf(link)}
            </Text>
            <Text size="sm" c="dimmed" component="div">
              {link.resourceName} · {t.shareLinks.columns.expiresAt}{' '}
              <Time at={instant(link.expiresAt)} otherwise={t.shareLinks.noEnd} />
            </Text>
            <Group>{remove(link)}</Group>
          </Stack>
        )}
        empty={
          <EmptyState icon={<IconLink />} title={t.shareLinks.empty.title} description={t.shareLinks.empty.description}>
            {button}
          </EmptyState>
        }
      />
      <Modal opened={creating} onClose={close} title={t.shareLinks.form.title} closeOnClickOutside={false}>
        <ShareLinkForm org={org} />
      </Modal>
    </>
  );
}

const PERIODS = Object.entries(t.shareLinks.form.periods).map(([value, label]) => ({ value, label }));
const CHOICES = 1000;

function ShareLinkForm({ org }: { org: string }) {
  const [idempotencyKey] = useState(newIdempotencyKey);
  const [made, setMade] = useState<components['schemas']['CreatedAccessToken']>();
  const { data: resources } = useQuery(
    $api.queryOptions('get', '/org/{orgId}/resource-names', {
      params: { path: { orgId: org }, query: { pageSize: CHOICES } },
    }),
  );
  const form = useForm({
    initialValues: { resourceId: null as string | null, title: '', description: '', validForSeconds: '604800' },
    validate: { resourceId: (value) => (value === null ? t.shareLinks.form.resourceNeeded : null) },
  });
  if (made)
    return (
      <Stack>
        <ShownOnce
          hint={t.shareLinks.made.once}
          {...(made.url
            ? { label: t.shareLinks.made.link, secret: made.url, copyLabel: t.shareLinks.made.copyLink }
            : { label: t.shareLinks.made.token, secret: made.accessToken, copyLabel: t.shareLinks.made.copy })}
        />
        <Group gap="xs">
          <Text size="sm">{t.shareLinks.made.id}</Text>
          <CopyId id={made.accessTokenId} what={t.shareLinks.made.id} />
        </Group>
      </Stack>
    );
  return (
    <ApiForm
      form={form}
      submitLabel={t.shareLinks.form.submit}
      onSubmit={async ({ resourceId, title, description, validForSeconds }) => {
        const { data } = await api.POST('/resource/{resourceId}/access-token', {
          params: { path: { resourceId: Number(resourceId) }, header: { 'Idempotency-Key': idempotencyKey } },
          body: {
            title: title || null,
            description: description || null,
            ...(validForSeconds === 'never' ? {} : { validForSeconds: Number(validForSeconds) }),
          },
        });
        setMade(data);
        await queryClient.invalidateQueries({ queryKey: LIST });
      }}
    >
      <Select
        label={t.shareLinks.form.resourceId}
        searchable
        nothingFoundMessage={t.shareLinks.form.resourceNone}
        data={(resources ?? []).map(({ resourceId, name }) => ({ value: String(resourceId), label: name }))}
        data-autofocus
        {...form.getInputProps('resourceId')}
      />
      <TextInput
        label={t.shareLinks.form.label}
        description={t.shareLinks.form.labelHint}
        {...form.getInputProps('title')}
      />
      <Textarea label={t.shareLinks.form.description} autosize {...form.getInputProps('description')} />
      <Select
        label={t.shareLinks.form.valid}
        data={PERIODS}
        allowDeselect={false}
        {...form.getInputProps('validForSeconds')}
      />
    </ApiForm>
  );
}

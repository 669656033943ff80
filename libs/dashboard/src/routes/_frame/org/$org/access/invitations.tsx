import { Button, Checkbox, Group, Modal, Select, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { IconMail, IconUserPlus } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/access';
import { useState } from 'react';
import { RoleChoice } from '@/access/role-choice';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import { newIdempotencyKey } from '@/api/versions';
import { EmptyState } from '@/kit/empty';
import { ApiForm } from '@/kit/form';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { ShownOnce } from '@/kit/shown-once';
import { Time } from '@/kit/time';
import { toastDone, toastProblem } from '@/kit/toasts';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/access/invitations')({
  validateSearch: listSearch,
  component: Invitations,
  staticData: { action: 'listInvitations' },
});

type Invitation = components['schemas']['InvitationView'];
const instant = (milliseconds: number): string => new Date(milliseconds).toISOString();
const LIST = ['get', '/org/{orgId}/invitations'];

function Invitations() {
  const { org } = Route.useParams();
  const { invite, ...search } = Route.useSearch();
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/invitations', {
      params: { path: { orgId: org }, query: { page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  const total = query.data?.pagination.total;
  const open = (opened: boolean) =>
    void navigate({ search: { ...search, invite: opened ? '1' : undefined }, replace: !opened });
  const button = may('inviteUser') && (
    <Button leftSection={<IconUserPlus size={16} />} onClick={() => open(true)}>
      {t.invitations.invite}
    </Button>
  );
  const revoke = async ({ inviteId, email }: Invitation) => {
    try {
      await api.DELETE('/org/{orgId}/invitations/{inviteId}', { params: { path: { orgId: org, inviteId } } });
      toastDone(t.invitations.revoked(email));
      await queryClient.invalidateQueries({ queryKey: LIST });
    } catch (error) {
      toastProblem(error);
    }
  };
  const revokeButton = (invitation: Invitation) =>
    may('removeInvitation') && (
      <Button
        size="compact-sm"
        variant="default"
        aria-label={`${t.invitations.revoke} ${invitation.email}`}
        onClick={() => void revoke(invitation)}
      >
        {t.invitations.revoke}
      </Button>
    );
  const rolesOf = ({ roles }: Invitation) => roles.map(({ roleName }) => roleName).join(', ');
  const columns: Column<Invitation>[] = [
    { key: 'email', title: t.invitations.columns.email, render: ({ email }) => email },
    { key: 'roles', title: t.invitations.columns.roles, render: rolesOf },
    {
      key: 'expiresAt',
      title: t.invitations.columns.expiresAt,
      render: ({ expiresAt }) => <Time at={instant(expiresAt)} />,
      width: 160,
    },
    { key: 'revoke', title: '', render: revokeButton, width: 120, textAlign: 'right' },
  ];
  return (
    <>
      <PageHeader
        title={t.invitations.title}
        description={total !== undefined && t.invitations.counts(formatNumber(total), total)}
        actions={button}
      />
      <ListTable
        id="invitations"
        label={t.invitations.list}
        query={query}
        rows={query.data?.invitations}
        total={total}
        rowId={({ inviteId }) => inviteId}
        columns={columns}
        search={search}
        onSearch={(next) => void navigate({ search: next })}
        exported={{ path: `/org/${org}/invitations` }}
        card={(invitation) => (
          <Stack gap={6}>
            <Text fw={500} style={{ overflowWrap: 'anywhere' }}>
              {invitation.email}
            </Text>
            <Text size="sm" c="dimmed" component="div">
              {rolesOf(invitation)} · {t.invitations.columns.expiresAt} <Time at={instant(invitation.expiresAt)} />
            </Text>
            <Group>{revokeButton(invitation)}</Group>
          </Stack>
        )}
        empty={
          <EmptyState
            icon={<IconMail />}
            title={t.invitations.empty.title}
            description={t.invitations.empty.description}
          >
            {button}
          </EmptyState>
        }
      />
      <Modal
        opened={invite !== undefined && may('inviteUser')}
        onClose={() => open(false)}
        title={t.invitations.form.title}
        size="lg"
      >
        <InviteForm org={org} onClose={() => open(false)} />
      </Modal>
    </>
  );
}

const HOURS = Object.entries(t.invitations.form.hours).map(([value, label]) => ({ value, label }));

const BEGIN = { email: '', roleIds: [] as string[], validHours: '72', sendEmail: true, regenerate: false };

const bodyOf = ({ roleIds, validHours, ...rest }: typeof BEGIN) => ({
  ...rest,
  roleIds: roleIds.map(Number),
  validHours: Number(validHours),
});

function InviteForm({ org, onClose }: { org: string; onClose: () => void }) {
  const [made, setMade] = useState<{ email: string; created: components['schemas']['CreatedInvite'] }>();
  const [idempotencyKey] = useState(newIdempotencyKey);
  const form = useForm({ initialValues: BEGIN });
  if (made) return <Made {...made} onClose={onClose} />;
  return (
    <ApiForm
      form={form}
      submitLabel={t.invitations.form.submit}
      onSubmit={async (values) => {
        const { data } = await api.POST('/org/{orgId}/create-invite', {
          params: { path: { orgId: org }, header: { 'Idempotency-Key': idempotencyKey } },
          body: bodyOf(values),
        });
        setMade({ email: values.email, created: data! });
        await queryClient.invalidateQueries({ queryKey: LIST });
      }}
    >
      <TextInput
        label={t.invitations.form.email}
        type="email"
        autoComplete="off"
        data-autofocus
        {...form.getInputProps('email')}
      />
      <RoleChoice
        orgId={org}
        label={t.invitations.form.roles}
        description={t.invitations.form.rolesHint}
        {...form.getInputProps('roleIds')}
      />
      <Select
        label={t.invitations.form.validHours}
        data={HOURS}
        allowDeselect={false}
        {...form.getInputProps('validHours')}
      />
      <Checkbox
        label={t.invitations.form.sendEmail}
        description={t.invitations.form.sendEmailHint}
        {...form.getInputProps('sendEmail', { type: 'checkbox' })}
      />
      <Checkbox label={t.invitations.form.regenerate} {...form.getInputProps('regenerate', { type: 'checkbox' })} />
    </ApiForm>
  );
}

/** What was sent, and the link for who hands it over in another way. */
function Made({
  email,
  created: { emailSent, emailError, inviteLink, expiresAt },
  onClose,
}: {
  email: string;
  created: components['schemas']['CreatedInvite'];
  onClose: () => void;
}) {
  return (
    <Stack>
      {emailSent && <Text>{t.invitations.made.sent(email)}</Text>}
      {emailError && <Text c="red">{t.invitations.made.notSent(emailError)}</Text>}
      <ShownOnce
        hint={t.invitations.made.handOver}
        label={t.invitations.made.link}
        secret={inviteLink}
        copyLabel={t.invitations.made.copy}
      />
      <Text size="sm" component="div">
        {t.invitations.made.until} <Time at={instant(expiresAt)} absolute />
      </Text>
      <Group justify="flex-end">
        <Button onClick={onClose}>{t.invitations.made.done}</Button>
      </Group>
    </Stack>
  );
}

import {
  Alert,
  Anchor,
  Button,
  Card,
  Group,
  Modal,
  Radio,
  Select,
  SimpleGrid,
  Skeleton,
  Stack,
  Text,
  Textarea,
  TextInput,
  Title,
} from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link, useNavigate } from '@tanstack/react-router';
import { t } from '@texts/access';
import { t as common } from '@texts/common';
import { useEffect, useState } from 'react';
import { ActionPicker } from '@/access/action-picker';
import { roleQuery, useRoles } from '@/access/queries';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components, Versioned } from '@/api/types';
import { changesBetween, ifMatch } from '@/api/versions';
import { ChangedMeanwhile } from '@/kit/changed-meanwhile';
import { CopyId } from '@/kit/copy';
import { Failure } from '@/kit/failure';
import { ApiForm } from '@/kit/form';
import { formatNumber } from '@/kit/formats';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { toastDone, toastProblem } from '@/kit/toasts';
import { useIsPhone } from '@/kit/use-is-phone';
import { ExportMenu } from '@/list/export-menu';
import { useMay } from '@/session/session';
import { type Action, ROLE_PRESETS, type RolePreset } from '../../../../../../../../contracts/index.js';

export const Route = createFileRoute('/_frame/org/$org/access/roles/$role')({
  component: RolePage,
  staticData: { action: 'getRole' },
});

type Role = components['schemas']['RoleView'] & Versioned;
type RoleActions = components['schemas']['RoleActions'] & Versioned;

const actionsQuery = (roleId: number) =>
  $api.queryOptions('get', '/role/{roleId}/actions', { params: { path: { roleId } } });

function RolePage() {
  const { org, role: id } = Route.useParams();
  const { data: role, error, refetch } = useQuery(roleQuery(id));
  const actions = useQuery(actionsQuery(Number(id)));
  const may = useMay(org);
  if (error && !role) return <Failure error={error} retry={refetch} />;
  return (
    <>
      <PageHeader
        above={
          <PageLink dimmed to="/org/$org/access/roles" params={{ org }}>
            {t.roles.back}
          </PageLink>
        }
        title={role?.name ?? ' '}
        description={role && (role.description || <CopyId id={role.roleId} what={t.roles.roleId} />)}
        actions={role && !role.isAdmin && may('deleteRole') && <Remove org={org} role={role} />}
      />
      {!role && <Skeleton h={240} />}
      {role && (
        <Stack>
          <Card withBorder>
            <Title order={2} mb="sm">
              {t.roles.actions.title}
            </Title>
            {role.isAdmin && <Text size="sm">{t.roles.actions.admin}</Text>}
            {!role.isAdmin && actions.error && !actions.data && (
              <Failure error={actions.error} retry={actions.refetch} />
            )}
            {!role.isAdmin && !actions.data && !actions.error && <Skeleton h={200} />}
            {!role.isAdmin && actions.data && <Holds org={org} role={role} read={actions.data} />}
          </Card>
          <SimpleGrid cols={{ base: 1, md: 2 }}>
            {!role.isAdmin && may('updateRole') && <Name role={role} />}
            {may('listUsers') && <Holders org={org} roleId={role.roleId} />}
          </SimpleGrid>
        </Stack>
      )}
    </>
  );
}

const OWN = 'own';
type Kind = RolePreset | typeof OWN;

/** What a role holds: one of the presets, or actions of its own. What is typed is kept when somebody else saves meanwhile. */
function Holds({ org, role, read }: { org: string; role: Role; read: RoleActions }) {
  const may = useMay(org);
  const isPhone = useIsPhone();
  const mayChange = may('updateRole') && !isPhone;
  const [began, setBegan] = useState(read);
  const [theirs, setTheirs] = useState<RoleActions>();
  const valuesOf = ({ preset, actionIds }: RoleActions) => ({
    kind: (preset ?? OWN) as Kind,
    actionIds: actionIds as Action[],
  });
  const form = useForm({ initialValues: valuesOf(read) });
  const begin = (from: RoleActions) => {
    setBegan(from);
    setTheirs(undefined);
    form.setInitialValues(valuesOf(from));
    form.reset();
  };
  // Nothing is typed: the form shows what the server has.
  useEffect(() => {
    if (read.$etag !== began.$etag && theirs === undefined && !form.isDirty()) begin(read);
  });
  const bodyOf = ({ kind, actionIds }: typeof form.values) => (kind === OWN ? { actionIds } : { preset: kind });
  const save = async (values: typeof form.values, against: RoleActions) => {
    const { data } = await api.POST('/role/{roleId}/actions', {
      params: { path: { roleId: role.roleId }, header: ifMatch(against) },
      body: bodyOf(values),
    });
    queryClient.setQueryData(actionsQuery(role.roleId).queryKey, data);
    begin(data!);
    toastDone(t.roles.actions.done(role.name));
    await queryClient.invalidateQueries({ queryKey: roleQuery(String(role.roleId)).queryKey });
  };
  return (
    <ApiForm
      form={form}
      submitLabel={t.roles.actions.submit}
      disabled={!mayChange || theirs !== undefined}
      onSubmit={(values) => save(values, began)}
      onProblem={({ code }) => {
        if (code !== 'precondition_failed') return false;
        void queryClient.fetchQuery({ ...actionsQuery(role.roleId), staleTime: 0 }).then(setTheirs, toastProblem);
        return true;
      }}
    >
      {theirs && (
        <ChangedMeanwhile
          changes={changesBetween(began, theirs, ['preset', 'actionIds'])}
          labels={t.roles.actions.fields}
          onTakeTheirs={() => begin(theirs)}
          onSaveMine={() => void save(form.getValues(), theirs).catch(toastProblem)}
        />
      )}
      {isPhone && may('updateRole') && <Text size="sm">{common.readOnlyOnPhone}</Text>}
      <Radio.Group label={t.roles.actions.how} {...form.getInputProps('kind')}>
        <Stack gap="xs" mt="xs">
          {[...ROLE_PRESETS, OWN as typeof OWN].map((kind) => (
            <Radio
              key={kind}
              value={kind}
              disabled={!mayChange}
              label={t.roles.actions.presets[kind]}
              description={t.roles.actions.presetHints[kind]}
            />
          ))}
        </Stack>
      </Radio.Group>
      {form.values.kind === OWN && (
        <ActionPicker
          value={form.values.actionIds}
          onChange={(actionIds) => form.setFieldValue('actionIds', actionIds)}
          mayGive={may}
          readOnly={!mayChange}
          error={form.errors['actionIds']}
        />
      )}
    </ApiForm>
  );
}

function Name({ role }: { role: Role }) {
  const [theirs, setTheirs] = useState<Role>();
  const [began, setBegan] = useState(role);
  const form = useForm({ initialValues: { name: role.name, description: role.description ?? '' } });
  const begin = (from: Role) => {
    setBegan(from);
    setTheirs(undefined);
    form.setInitialValues({ name: from.name, description: from.description ?? '' });
    form.reset();
  };
  useEffect(() => {
    if (role.$etag !== began.$etag && theirs === undefined && !form.isDirty()) begin(role);
  });
  const key = roleQuery(String(role.roleId));
  const save = async ({ name, description }: typeof form.values, against: Role) => {
    const { data } = await api.POST('/role/{roleId}', {
      params: { path: { roleId: role.roleId }, header: ifMatch(against) },
      body: { name, description: description || null },
    });
    queryClient.setQueryData(key.queryKey, data);
    begin(data!);
    toastDone(t.roles.settings.done);
    await queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/roles'] });
    await queryClient.invalidateQueries({ queryKey: actionsQuery(role.roleId).queryKey });
  };
  return (
    <Card withBorder>
      <Title order={2} mb="sm">
        {t.roles.settings.title}
      </Title>
      <ApiForm
        form={form}
        submitLabel={t.roles.settings.submit}
        disabled={theirs !== undefined}
        onSubmit={(values) => save(values, began)}
        onProblem={({ code }) => {
          if (code !== 'precondition_failed') return false;
          void queryClient.fetchQuery({ ...key, staleTime: 0 }).then(setTheirs, toastProblem);
          return true;
        }}
      >
        {theirs && (
          <ChangedMeanwhile
            changes={changesBetween(began, theirs, ['name', 'description'])}
            labels={t.roles.settings.fields}
            onTakeTheirs={() => begin(theirs)}
            onSaveMine={() => void save(form.getValues(), theirs).catch(toastProblem)}
          />
        )}
        <TextInput label={t.roles.form.name} {...form.getInputProps('name')} />
        <Textarea label={t.roles.form.description} autosize minRows={2} {...form.getInputProps('description')} />
      </ApiForm>
    </Card>
  );
}

const SHOWN = 20;

function Holders({ org, roleId }: { org: string; roleId: number }) {
  const { data, error } = useQuery(
    $api.queryOptions('get', '/role/{roleId}/users', { params: { path: { roleId }, query: { limit: SHOWN } } }),
  );
  const more = data ? data.pagination.total - data.users.length : 0;
  return (
    <Card withBorder>
      <Group justify="space-between" mb="sm">
        <Title order={2}>{t.roles.holders.title}</Title>
        {!!data?.users.length && <ExportMenu path={`/role/${roleId}/users`} />}
      </Group>
      {error && !data && <Failure error={error} />}
      {!data && !error && <Skeleton h={60} />}
      {data?.users.length === 0 && <Text c="dimmed">{t.roles.holders.none}</Text>}
      <Stack gap={4}>
        {data?.users.map(({ userId, email }) => (
          <Anchor
            key={userId}
            size="sm"
            style={{ overflowWrap: 'anywhere' }}
            renderRoot={(props) => (
              <Link to="/org/$org/access/people/$person" params={{ org, person: userId }} {...props} />
            )}
          >
            {email}
          </Anchor>
        ))}
        {more > 0 && (
          <Text size="sm" c="dimmed">
            {t.roles.holders.more(formatNumber(more))}
          </Text>
        )}
      </Stack>
    </Card>
  );
}

function Remove({ org, role }: { org: string; role: Role }) {
  const [opened, { open, close }] = useDisclosure();
  return (
    <>
      <Button variant="default" c="red" onClick={open}>
        {t.roles.remove.action}
      </Button>
      <Modal opened={opened} onClose={close} title={t.roles.remove.title(role.name)}>
        <RemoveForm org={org} role={role} onClose={close} />
      </Modal>
    </>
  );
}

function RemoveForm({ org, role, onClose }: { org: string; role: Role; onClose: () => void }) {
  const navigate = useNavigate();
  const others = useRoles(org).filter(({ roleId }) => roleId !== role.roleId);
  const form = useForm({ initialValues: { roleId: null as string | null, typed: '' } });
  return (
    <ApiForm
      form={form}
      submitLabel={t.roles.remove.confirm}
      disabled={form.values.typed !== role.name}
      beside={
        <Button variant="subtle" color="gray" onClick={onClose}>
          {common.cancel}
        </Button>
      }
      onSubmit={async ({ roleId }) => {
        await api.DELETE('/role/{roleId}', {
          params: { path: { roleId: role.roleId }, header: ifMatch(role) },
          body: roleId === null ? {} : { roleId: Number(roleId) },
        });
        await navigate({ to: '/org/$org/access/roles', params: { org } });
        await queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/roles'] });
        toastDone(t.roles.remove.done(role.name));
      }}
    >
      <Alert color="red" variant="outline">
        {t.roles.remove.consequence}
      </Alert>
      <Select
        label={t.roles.remove.replacement}
        description={t.roles.remove.replacementHint}
        clearable
        searchable
        data={others.map(({ roleId, name }) => ({ value: String(roleId), label: name }))}
        {...form.getInputProps('roleId')}
      />
      <TextInput
        label={common.confirmByName(role.name)}
        autoComplete="off"
        spellCheck={false}
        {...form.getInputProps('typed')}
      />
    </ApiForm>
  );
}

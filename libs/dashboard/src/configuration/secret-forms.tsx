import { Button, List, MultiSelect, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { modals } from '@mantine/modals';
import { t as common } from '@texts/common';
import { t } from '@texts/configuration';
import { useState } from 'react';
import { api } from '@/api/client';
import { ifMatch, newIdempotencyKey } from '@/api/versions';
import { confirmByName } from '@/kit/confirm';
import { ApiForm } from '@/kit/form';
import { formatNumber } from '@/kit/formats';
import { PasswordField } from '@/kit/password-field';
import { toastDone } from '@/kit/toasts';
import { ROLLOUT, RolloutFields, rolloutOf } from './parts';
import { type SecretDetails, type SecretUsers, secretsChanged, useProfiles } from './queries';

const texts = t.secrets;
/** None that is named is any of them: null to the API. */
const idsOf = (profileIds: string[]): number[] | null => (profileIds.length > 0 ? profileIds.map(Number) : null);

function Cancel({ onClose }: { onClose: () => void }) {
  return (
    <Button variant="subtle" color="gray" onClick={onClose}>
      {common.cancel}
    </Button>
  );
}

/** Asks for a new secret, in a dialog. @param onCreated hears its name */
export function createSecret(org: string, onCreated: (name: string) => void): void {
  const id = modals.open({
    title: texts.createTitle,
    children: <Create org={org} onClose={() => modals.close(id)} onCreated={onCreated} />,
  });
}

function Create({ org, onClose, onCreated }: { org: string; onClose: () => void; onCreated: (name: string) => void }) {
  const profiles = useProfiles(org);
  const [idempotencyKey] = useState(newIdempotencyKey);
  const form = useForm({ mode: 'uncontrolled', initialValues: { name: '', value: '', profileIds: [] as string[] } });
  return (
    <ApiForm
      form={form}
      submitLabel={common.create}
      beside={<Cancel onClose={onClose} />}
      onSubmit={async ({ name, value, profileIds }) => {
        await api.PUT('/org/{orgId}/secret', {
          params: { path: { orgId: org }, header: { 'Idempotency-Key': idempotencyKey } },
          body: { name, value, encoding: 'utf8', profileIds: idsOf(profileIds) },
        });
        onClose();
        toastDone(texts.created(name));
        await secretsChanged();
        onCreated(name);
      }}
    >
      <TextInput
        label={texts.labels.name}
        description={texts.nameHint}
        data-autofocus
        autoComplete="off"
        spellCheck={false}
        styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
        key={form.key('name')}
        {...form.getInputProps('name')}
      />
      <PasswordField
        label={texts.labels.value}
        description={texts.valueHint}
        autoComplete="new-password"
        visibilityToggleButtonProps={{ 'aria-label': common.showPassword }}
        key={form.key('value')}
        {...form.getInputProps('value')}
      />
      {profiles && (
        <MultiSelect
          label={texts.labels.profileIds}
          description={texts.profilesHint}
          searchable={profiles.length > 8}
          data={profiles.map(({ profileId, name }) => ({ value: String(profileId), label: name }))}
          key={form.key('profileIds')}
          {...form.getInputProps('profileIds')}
        />
      )}
    </ApiForm>
  );
}

/** Asks for the next value, in a dialog. */
export function rotateSecret(secret: SecretDetails): void {
  const id = modals.open({
    title: texts.rotateTitle(secret.name),
    children: <Rotate secret={secret} onClose={() => modals.close(id)} />,
  });
}

function Rotate({ secret: { orgId, name }, onClose }: { secret: SecretDetails; onClose: () => void }) {
  const [idempotencyKey] = useState(newIdempotencyKey);
  const form = useForm({ mode: 'uncontrolled', initialValues: { value: '', rollout: ROLLOUT } });
  return (
    <ApiForm
      form={form}
      submitLabel={texts.rotate}
      beside={<Cancel onClose={onClose} />}
      onSubmit={async ({ value, rollout }) => {
        const { data } = await api.POST('/org/{orgId}/secret/{name}/version', {
          params: { path: { orgId, name }, header: { 'Idempotency-Key': idempotencyKey } },
          body: { value, encoding: 'utf8', rollout: rolloutOf(rollout) },
        });
        onClose();
        toastDone(texts.rotated(name, data!.version));
        await secretsChanged();
      }}
    >
      <Text size="sm">{texts.rotateHint}</Text>
      <PasswordField
        label={texts.newValue}
        description={texts.valueHint}
        data-autofocus
        autoComplete="new-password"
        visibilityToggleButtonProps={{ 'aria-label': common.showPassword }}
        key={form.key('value')}
        {...form.getInputProps('value')}
      />
      <RolloutFields form={form} />
    </ApiForm>
  );
}

/** Who uses it: the first of each kind, and how many there are. */
function Users({ users: { profiles, sites } }: { users: SecretUsers }) {
  return (
    <Stack gap="xs" mt="xs">
      {[
        {
          total: profiles.total,
          users: profiles.profiles.map(({ profileId, revision, name }) => ({ id: `${profileId} ${revision}`, name })),
          title: texts.usedByProfiles,
        },
        {
          total: sites.total,
          users: sites.sites.map(({ siteId, name }) => ({ id: String(siteId), name })),
          title: texts.usedBySites,
        },
      ]
        .filter(({ total }) => total > 0)
        .map(({ total, users, title }) => (
          <div key={title('')}>
            <Text size="sm" fw={500}>
              {title(formatNumber(total))}
            </Text>
            <List size="sm">
              {users.slice(0, SHOWN).map(({ id, name }) => (
                <List.Item key={id}>{name}</List.Item>
              ))}
              {total > SHOWN && <List.Item>{texts.andMore(formatNumber(total - SHOWN))}</List.Item>}
            </List>
          </div>
        ))}
    </Stack>
  );
}

const SHOWN = 10;
const isUsed = ({ profiles, sites }: SecretUsers): boolean => profiles.total + sites.total > 0;

/** Says who uses it, and deletes it when its name is typed. @param onDeleted leaves its page */
export async function deleteSecret(secret: SecretDetails, mayRotate: boolean, onDeleted: () => Promise<unknown>) {
  const { orgId, name } = secret;
  const path = { orgId, name };
  const { data: users } = await api.DELETE('/org/{orgId}/secret/{name}', {
    params: { path, query: { dryRun: true } },
  });
  const used = !!users && isUsed(users);
  confirmByName({
    title: texts.deleteTitle(name),
    consequence: used ? (
      <>
        {texts.deleteInUse}
        <Users users={users} />
      </>
    ) : (
      texts.deleteUnused
    ),
    name,
    confirmLabel: texts.delete,
    onConfirm: async () => {
      // Who uses it was said: what begins to use it after that is refused, where nothing did.
      await api.DELETE('/org/{orgId}/secret/{name}', {
        params: { path, query: used ? { force: true } : {}, header: ifMatch(secret) },
      });
      toastDone(texts.deleted(name));
      await onDeleted();
      await secretsChanged();
    },
    ...(used && mayRotate ? { gentler: { label: texts.gentler, onChoose: () => rotateSecret(secret) } } : {}),
  });
}

/** Likewise a version that is not the current one. */
export async function destroyVersion({ orgId, name }: SecretDetails, version: number): Promise<void> {
  const path = { orgId, name, version };
  const { data: users } = await api.DELETE('/org/{orgId}/secret/{name}/version/{version}', {
    params: { path, query: { dryRun: true } },
  });
  const used = !!users && isUsed(users);
  confirmByName({
    title: texts.destroyTitle(name, version),
    consequence: (
      <>
        {texts.destroyConsequence} {used && texts.destroyInUse}
        {used && <Users users={users} />}
      </>
    ),
    name,
    confirmLabel: texts.destroy,
    onConfirm: async () => {
      await api.DELETE('/org/{orgId}/secret/{name}/version/{version}', {
        params: { path, query: used ? { force: true } : {} },
      });
      toastDone(texts.wasDestroyed(version));
      await secretsChanged();
    },
  });
}

/** Which profiles may name it; taking it from one that uses it says so, and asks. */
export function Restriction({ secret }: { secret: SecretDetails }) {
  const { orgId, name } = secret;
  const profiles = useProfiles(orgId);
  const form = useForm({ mode: 'uncontrolled', initialValues: { profileIds: secret.profileIds?.map(String) ?? [] } });
  const send = async (profileIds: number[] | null, query: { dryRun?: true; force?: true }) => {
    const { data } = await api.POST('/org/{orgId}/secret/{name}', {
      params: { path: { orgId, name }, query, header: ifMatch(secret) },
      body: { profileIds },
    });
    return data;
  };
  const saved = async () => {
    toastDone(texts.restricted(name));
    await secretsChanged();
  };
  return (
    <ApiForm
      form={form}
      submitLabel={common.save}
      onSubmit={async ({ profileIds }) => {
        const ids = idsOf(profileIds);
        const users = await send(ids, { dryRun: true });
        if (!users || !('profiles' in users) || !isUsed(users)) {
          await send(ids, {});
          return saved();
        }
        confirmByName({
          title: texts.restrictInUse,
          consequence: <Users users={users} />,
          name,
          confirmLabel: texts.restrictAnyway,
          onConfirm: async () => {
            await send(ids, { force: true });
            await saved();
          },
        });
      }}
    >
      <MultiSelect
        label={texts.restrict}
        description={texts.profilesHint}
        data={
          profiles?.map(({ profileId, name: label }) => ({ value: String(profileId), label })) ??
          secret.profileIds?.map(String)
        }
        key={form.key('profileIds')}
        {...form.getInputProps('profileIds')}
      />
    </ApiForm>
  );
}

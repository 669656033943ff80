import { Alert, Button, Group, Paper, Stack, Switch, TagsInput, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { modals } from '@mantine/modals';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t as common } from '@texts/common';
import { t } from '@texts/resources';
import type { ReactNode } from 'react';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import { ApiForm } from '@/kit/form';
import { PasswordField } from '@/kit/password-field';
import { toastDone, toastProblem } from '@/kit/toasts';
import { type Resource, resourceQuery, resourcesChanged } from '@/resources/queries';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/resources/public/$resource/authentication')({
  component: Authentication,
  staticData: { action: 'getResource' },
});

const texts = t.authentication;

function Authentication() {
  const { org, resource } = Route.useParams();
  const { data } = useQuery(resourceQuery(Number(resource)));
  const may = useMay(org);
  if (!data) return null;
  if (data.mode !== 'http') return <Alert variant="outline">{texts.notHttp}</Alert>;
  const { resourceId } = data;
  return (
    <Stack maw={720}>
      <Paper withBorder p="lg">
        <Stack gap="md">
          {(['sso', 'blockAccess'] as const).map((name) => (
            <Switch
              key={name}
              label={texts.switches[name]}
              description={texts.switches[`${name}Hint`]}
              checked={data[name]}
              disabled={!may('updateResource')}
              onChange={({ currentTarget: { checked } }) => void toggle(resourceId, name, checked).catch(toastProblem)}
            />
          ))}
        </Stack>
      </Paper>
      <Shared
        title={texts.password.title}
        hint={texts.password.hint}
        isSet={data.passwordId !== null}
        may={may('setResourcePassword')}
        form={(onClose) => (
          <OneValue
            label={texts.password.label}
            title={texts.password.title}
            name="password"
            resourceId={resourceId}
            onClose={onClose}
          />
        )}
        clear={() =>
          api.POST('/resource/{resourceId}/password', { params: { path: { resourceId } }, body: { password: null } })
        }
      />
      <Shared
        title={texts.pincode.title}
        hint={texts.pincode.hint}
        isSet={data.pincodeId !== null}
        may={may('setResourcePincode')}
        form={(onClose) => (
          <OneValue
            label={texts.pincode.label}
            title={texts.pincode.title}
            name="pincode"
            resourceId={resourceId}
            onClose={onClose}
          />
        )}
        clear={() =>
          api.POST('/resource/{resourceId}/pincode', { params: { path: { resourceId } }, body: { pincode: null } })
        }
      />
      <Shared
        title={texts.headerAuth.title}
        hint={texts.headerAuth.hint}
        isSet={data.headerAuthId !== null}
        may={may('setResourceHeaderAuth')}
        form={(onClose) => <HeaderAuth resourceId={resourceId} onClose={onClose} />}
        clear={() =>
          api.POST('/resource/{resourceId}/header-auth', {
            params: { path: { resourceId } },
            body: { user: null, password: null, extendedCompatibility: null },
          })
        }
      />
      {may('getResourceWhitelist') && <Whitelist resource={data} />}
    </Stack>
  );
}

type Toggled = 'sso' | 'blockAccess' | 'emailWhitelistEnabled';

/** At once, and back by one click. */
async function toggle(resourceId: number, name: Toggled, checked: boolean): Promise<void> {
  await api.POST('/resource/{resourceId}', { params: { path: { resourceId } }, body: { [name]: checked } });
  await resourcesChanged();
  toastDone(texts.saved, () => toggle(resourceId, name, !checked));
}

/** One of the things that visitors share: whether it is set, never what it is. */
function Shared({
  title,
  hint,
  isSet,
  may,
  form,
  clear,
}: {
  title: string;
  hint: string;
  isSet: boolean;
  may: boolean;
  form: (onClose: () => void) => ReactNode;
  clear: () => Promise<unknown>;
}) {
  const open = () => {
    const id = modals.open({ title, children: form(() => modals.close(id)) });
  };
  return (
    <Paper withBorder p="lg">
      <Group justify="space-between" gap="sm">
        <div>
          <Title order={2}>{title}</Title>
          <Text size="sm" c="dimmed">
            {hint}
          </Text>
          <Text size="sm" mt={4}>
            {isSet ? texts.is : texts.isNot}
          </Text>
        </div>
        {may && (
          <Group gap="sm">
            <Button variant="default" aria-label={isSet ? texts.replaceOne(title) : texts.setOne(title)} onClick={open}>
              {isSet ? texts.replace : texts.set}
            </Button>
            {isSet && (
              <Button
                variant="default"
                aria-label={texts.clearOne(title)}
                onClick={() =>
                  void clear()
                    .then(() => {
                      toastDone(texts.wasCleared(title));
                      return resourcesChanged();
                    })
                    .catch(toastProblem)
                }
              >
                {texts.clear}
              </Button>
            )}
          </Group>
        )}
      </Group>
    </Paper>
  );
}

function OneValue({
  resourceId,
  name,
  title,
  label,
  onClose,
}: {
  resourceId: number;
  name: 'password' | 'pincode';
  title: string;
  label: string;
  onClose: () => void;
}) {
  const form = useForm({
    mode: 'uncontrolled',
    initialValues: { [name]: '' } as { password?: string; pincode?: string },
  });
  return (
    <ApiForm
      form={form}
      submitLabel={texts.set}
      beside={<Cancel onClose={onClose} />}
      onSubmit={async ({ password, pincode }) => {
        const params = { path: { resourceId } };
        if (name === 'password')
          await api.POST('/resource/{resourceId}/password', { params, body: { password: password ?? '' } });
        else await api.POST('/resource/{resourceId}/pincode', { params, body: { pincode: pincode ?? '' } });
        onClose();
        toastDone(texts.wasSet(title));
        await resourcesChanged();
      }}
    >
      <PasswordField
        label={label}
        data-autofocus
        autoComplete="new-password"
        visibilityToggleButtonProps={{ 'aria-label': common.showPassword }}
        key={form.key(name)}
        {...form.getInputProps(name)}
      />
    </ApiForm>
  );
}

function HeaderAuth({ resourceId, onClose }: { resourceId: number; onClose: () => void }) {
  const form = useForm({ mode: 'uncontrolled', initialValues: { user: '', password: '' } });
  return (
    <ApiForm
      form={form}
      submitLabel={texts.set}
      beside={<Cancel onClose={onClose} />}
      onSubmit={async ({ user, password }) => {
        await api.POST('/resource/{resourceId}/header-auth', {
          params: { path: { resourceId } },
          body: { user, password, extendedCompatibility: true },
        });
        onClose();
        toastDone(texts.wasSet(texts.headerAuth.title));
        await resourcesChanged();
      }}
    >
      <TextInput
        label={texts.headerAuth.user}
        data-autofocus
        autoComplete="off"
        key={form.key('user')}
        {...form.getInputProps('user')}
      />
      <PasswordField
        label={texts.headerAuth.password}
        autoComplete="new-password"
        visibilityToggleButtonProps={{ 'aria-label': common.showPassword }}
        key={form.key('password')}
        {...form.getInputProps('password')}
      />
    </ApiForm>
  );
}

function Cancel({ onClose }: { onClose: () => void }) {
  return (
    <Button variant="subtle" color="gray" onClick={onClose}>
      {common.cancel}
    </Button>
  );
}

function Whitelist({ resource: { resourceId, orgId, emailWhitelistEnabled } }: { resource: Resource }) {
  const may = useMay(orgId);
  const options = $api.queryOptions('get', '/resource/{resourceId}/whitelist', {
    params: { path: { resourceId } },
  });
  const { data } = useQuery(options);
  return (
    <Paper withBorder p="lg">
      <Title order={2} mb="sm">
        {texts.whitelist.title}
      </Title>
      <Stack>
        <Switch
          label={texts.switches.emailWhitelistEnabled}
          checked={emailWhitelistEnabled}
          disabled={!may('updateResource')}
          onChange={({ currentTarget: { checked } }) =>
            void toggle(resourceId, 'emailWhitelistEnabled', checked).catch(toastProblem)
          }
        />
        {data && (
          <Emails
            // Somebody else's change begins the form anew.
            key={JSON.stringify(data.whitelist)}
            resourceId={resourceId}
            emails={data.whitelist.map(({ email }) => email)}
            readOnly={!may('setResourceWhitelist')}
            saved={() => queryClient.invalidateQueries({ queryKey: options.queryKey })}
          />
        )}
      </Stack>
    </Paper>
  );
}

function Emails({
  resourceId,
  emails,
  readOnly,
  saved,
}: {
  resourceId: number;
  emails: string[];
  readOnly: boolean;
  saved: () => Promise<unknown>;
}) {
  const form = useForm({ mode: 'uncontrolled', initialValues: { emails } });
  if (readOnly) return <Text size="sm">{emails.join(', ') || common.none}</Text>;
  return (
    <ApiForm
      form={form}
      submitLabel={common.save}
      onSubmit={async (body) => {
        await api.POST('/resource/{resourceId}/whitelist', { params: { path: { resourceId } }, body });
        toastDone(texts.whitelist.saved);
        await saved();
      }}
    >
      <TagsInput
        label={texts.whitelist.title}
        description={texts.whitelist.hint}
        placeholder={texts.whitelist.placeholder}
        splitChars={[',', ' ', ';']}
        key={form.key('emails')}
        {...form.getInputProps('emails')}
      />
    </ApiForm>
  );
}

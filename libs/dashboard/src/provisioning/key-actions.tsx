import { ActionIcon, Button, Menu, NumberInput, Select, Switch, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { modals } from '@mantine/modals';
import { IconDots } from '@tabler/icons-react';
import { t as common } from '@texts/common';
import { t } from '@texts/provisioning';
import { t as rollout } from '@texts/rollout';
import { api } from '@/api/client';
import { confirmByName } from '@/kit/confirm';
import { ApiForm } from '@/kit/form';
import { toastDone, toastProblem } from '@/kit/toasts';
import { useMay } from '@/session/session';
import { IssuedKey } from './issued-key';
import { openLeaked } from './leaked-key';
import { type Key, keysChanged } from './queries';
import { instantOf, localOf, UntilField } from './until-field';

const pathOf = (key: Key) => ({ orgId: key.orgId, siteProvisioningKeyId: key.siteProvisioningKeyId });

/** What can be done with a key: at once what can be undone, the rest behind a question. */
export function KeyActions({
  keyView: key,
  onStopped,
}: {
  keyView: Key;
  /** After a leak: with the job that suspends what the key made. */
  onStopped: (jobId: number | undefined) => void;
}) {
  const may = useMay(key.orgId);
  // What a revoked key has made for others can still be stopped.
  const leaked = (may('updateSiteProvisioningKey') || may('rotateSiteProvisioningKey')) && may('listSites') && (
    <Button variant="default" c="var(--mantine-color-error)" onClick={() => openLeaked(key, onStopped)}>
      {rollout.leaked.action}
    </Button>
  );
  if (key.state === 'revoked') return leaked;
  const mayChange = may('updateSiteProvisioningKey');
  const mayRevoke = may('revokeSiteProvisioningKey');
  return (
    <>
      {mayChange && (
        <Button variant="default" onClick={() => editKey(key)}>
          {t.onKey.edit}
        </Button>
      )}
      {may('rotateSiteProvisioningKey') && (
        <Button variant="default" onClick={() => rotateKey(key)}>
          {t.onKey.rotate}
        </Button>
      )}
      {mayChange && (
        <Button variant="default" onClick={() => void setEnabled(key, key.status === 'disabled').catch(toastProblem)}>
          {key.status === 'active' ? t.onKey.disable : t.onKey.enable}
        </Button>
      )}
      {leaked}
      {mayRevoke && (
        <Menu position="bottom-end">
          <Menu.Target>
            <ActionIcon variant="default" size={36} aria-label={t.onKey.actions}>
              <IconDots size={18} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item c="var(--mantine-color-error)" onClick={() => revokeKey(key, mayChange)}>
              {t.onKey.revoke}
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      )}
    </>
  );
}

async function setEnabled(key: Key, enabled: boolean): Promise<void> {
  await api.PATCH('/org/{orgId}/site-provisioning-key/{siteProvisioningKeyId}', {
    params: { path: pathOf(key) },
    body: { status: enabled ? 'active' : 'disabled' },
  });
  await keysChanged();
  toastDone((enabled ? t.onKey.enabled : t.onKey.disabled)(key.name), () => setEnabled(key, !enabled));
}

function revokeKey(key: Key, mayDisable: boolean): void {
  confirmByName({
    title: t.onKey.revokeTitle(key.name),
    consequence: t.onKey.revokeConsequence,
    name: key.name,
    confirmLabel: t.onKey.revoke,
    onConfirm: async () => {
      await api.POST('/org/{orgId}/site-provisioning-key/{siteProvisioningKeyId}/revoke', {
        params: { path: pathOf(key) },
      });
      await keysChanged();
      toastDone(t.onKey.revoked(key.name));
    },
    ...(mayDisable && key.status === 'active'
      ? { gentler: { label: t.onKey.gentler, onChoose: () => void setEnabled(key, false).catch(toastProblem) } }
      : {}),
  });
}

function rotateKey(key: Key): void {
  const id = modals.open({
    title: t.onKey.rotateTitle(key.name),
    children: <Rotate keyView={key} onClose={() => modals.close(id)} />,
  });
}

function Rotate({ keyView: key, onClose }: { keyView: Key; onClose: () => void }) {
  const form = useForm({ mode: 'uncontrolled', initialValues: { overlapSeconds: '3600' } });
  return (
    <ApiForm
      form={form}
      submitLabel={t.onKey.rotate}
      beside={
        <Button variant="subtle" color="gray" onClick={onClose}>
          {common.cancel}
        </Button>
      }
      onSubmit={async ({ overlapSeconds }) => {
        const { data } = await api.POST('/org/{orgId}/site-provisioning-key/{siteProvisioningKeyId}/rotate', {
          params: { path: pathOf(key) },
          body: { overlapSeconds: Number(overlapSeconds) },
        });
        onClose();
        modals.open({
          title: t.issued.title(key.name),
          size: 'xl',
          // Nothing shows it again: a click beside it must not close it.
          closeOnClickOutside: false,
          children: <IssuedKey org={key.orgId} issued={data!} isRotated />,
        });
        toastDone(t.onKey.rotated(key.name));
        await keysChanged();
      }}
    >
      <Text size="sm">{t.onKey.rotateHint}</Text>
      <Select
        label={t.onKey.overlap}
        allowDeselect={false}
        data={Object.entries(t.onKey.overlaps).map(([value, label]) => ({ value, label }))}
        key={form.key('overlapSeconds')}
        {...form.getInputProps('overlapSeconds')}
      />
    </ApiForm>
  );
}

function editKey(key: Key): void {
  const id = modals.open({
    title: t.onKey.editTitle(key.name),
    children: <Edit keyView={key} onClose={() => modals.close(id)} />,
  });
}

function Edit({ keyView: key, onClose }: { keyView: Key; onClose: () => void }) {
  const mayApprove = useMay(key.orgId)('updateSite');
  const before = {
    name: key.name,
    maxBatchSize: (key.maxBatchSize ?? '') as number | '',
    validUntil: localOf(key.validUntil),
    approveByHand: !key.approveNewSites,
  };
  const form = useForm({ mode: 'uncontrolled', initialValues: before });
  return (
    <ApiForm
      form={form}
      submitLabel={common.save}
      beside={
        <Button variant="subtle" color="gray" onClick={onClose}>
          {common.cancel}
        </Button>
      }
      onSubmit={async (given) => {
        // Only what was changed: an end that has passed is left as it is.
        const body = {
          ...(given.name === before.name ? {} : { name: given.name }),
          ...(given.maxBatchSize === before.maxBatchSize
            ? {}
            : { maxBatchSize: given.maxBatchSize === '' ? null : given.maxBatchSize }),
          ...(given.validUntil === before.validUntil ? {} : { validUntil: instantOf(given.validUntil) }),
          ...(given.approveByHand === before.approveByHand ? {} : { approveNewSites: !given.approveByHand }),
        };
        if (Object.keys(body).length > 0) {
          await api.PATCH('/org/{orgId}/site-provisioning-key/{siteProvisioningKeyId}', {
            params: { path: pathOf(key) },
            body,
          });
          await keysChanged();
          toastDone(t.onKey.saved(given.name));
        }
        onClose();
      }}
    >
      <TextInput label={t.newKey.name} data-autofocus key={form.key('name')} {...form.getInputProps('name')} />
      <NumberInput
        label={t.newKey.count}
        description={t.newKey.countHint}
        allowDecimal={false}
        allowNegative={false}
        disabled={key.oneTime}
        key={form.key('maxBatchSize')}
        {...form.getInputProps('maxBatchSize')}
      />
      <UntilField key={form.key('validUntil')} {...form.getInputProps('validUntil')} />
      {mayApprove && (
        <Switch
          label={t.newKey.byHand}
          description={t.newKey.byHandHint}
          key={form.key('approveByHand')}
          {...form.getInputProps('approveByHand', { type: 'checkbox' })}
        />
      )}
    </ApiForm>
  );
}

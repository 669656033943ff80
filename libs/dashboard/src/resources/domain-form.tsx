import { Button, Select, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { modals } from '@mantine/modals';
import { t as common } from '@texts/common';
import { t } from '@texts/resources';
import { useState } from 'react';
import { api } from '@/api/client';
import { newIdempotencyKey } from '@/api/versions';
import { ApiForm } from '@/kit/form';
import { toastDone } from '@/kit/toasts';
import { domainsChanged } from './queries';

type Type = 'ns' | 'cname' | 'wildcard';
const texts = t.domains;

/** Asks for a domain, in a dialog. @param onCreated hears its id */
export function registerDomain(org: string, onCreated: (domainId: string) => void): void {
  const id = modals.open({
    title: texts.create,
    children: <Register org={org} onClose={() => modals.close(id)} onCreated={onCreated} />,
  });
}

function Register({
  org,
  onClose,
  onCreated,
}: {
  org: string;
  onClose: () => void;
  onCreated: (domainId: string) => void;
}) {
  const [idempotencyKey] = useState(newIdempotencyKey);
  const form = useForm({ mode: 'controlled', initialValues: { baseDomain: '', type: 'wildcard' as Type } });
  return (
    <ApiForm
      form={form}
      submitLabel={texts.create}
      beside={
        <Button variant="subtle" color="gray" onClick={onClose}>
          {common.cancel}
        </Button>
      }
      onSubmit={async (body) => {
        const { data } = await api.PUT('/org/{orgId}/domain', {
          params: { path: { orgId: org }, header: { 'Idempotency-Key': idempotencyKey } },
          body,
        });
        onClose();
        toastDone(texts.created(body.baseDomain));
        await domainsChanged();
        onCreated(data!.domainId);
      }}
    >
      <TextInput
        label={texts.labels.baseDomain}
        placeholder="example.com"
        data-autofocus
        autoComplete="off"
        spellCheck={false}
        {...form.getInputProps('baseDomain')}
      />
      <Select
        label={texts.labels.type}
        allowDeselect={false}
        data={Object.entries(texts.types).map(([value, label]) => ({ value, label }))}
        {...form.getInputProps('type')}
      />
      <Text size="sm" c="dimmed">
        {texts.typeHints[form.values.type]}
      </Text>
    </ApiForm>
  );
}

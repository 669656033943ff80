import { Button, NumberInput, Select, Switch, TextInput } from '@mantine/core';
import { type UseFormReturnType, useForm } from '@mantine/form';
import { modals } from '@mantine/modals';
import { t as common } from '@texts/common';
import { t } from '@texts/resources';
import { useState } from 'react';
import { api } from '@/api/client';
import { newIdempotencyKey } from '@/api/versions';
import { ApiForm } from '@/kit/form';
import { toastDone } from '@/kit/toasts';
import { type Rule, rulesChanged } from './queries';

type Values = Pick<Rule, 'action' | 'match' | 'priority' | 'value' | 'enabled'>;

/** Asks for a rule, in a dialog. @param last the highest priority that is taken */
export function addRule(resourceId: number, last: number): void {
  const id = modals.open({
    title: t.rules.addTitle,
    children: (
      <RuleForm
        resourceId={resourceId}
        initial={{ action: 'DROP', match: 'IP', priority: last + 1, value: '', enabled: true }}
        onClose={() => modals.close(id)}
      />
    ),
  });
}

export function editRule(rule: Rule): void {
  const { resourceId, ruleId, action, match, priority, value, enabled } = rule;
  const id = modals.open({
    title: t.rules.editTitle(priority),
    children: (
      <RuleForm
        resourceId={resourceId}
        ruleId={ruleId}
        initial={{ action, match, priority, value, enabled }}
        onClose={() => modals.close(id)}
      />
    ),
  });
}

function RuleForm({
  resourceId,
  ruleId,
  initial,
  onClose,
}: {
  resourceId: number;
  ruleId?: number;
  initial: Values;
  onClose: () => void;
}) {
  const [idempotencyKey] = useState(newIdempotencyKey);
  const form = useForm<Values>({ mode: 'uncontrolled', initialValues: initial });
  return (
    <ApiForm
      form={form}
      submitLabel={ruleId === undefined ? t.rules.add : common.save}
      beside={
        <Button variant="subtle" color="gray" onClick={onClose}>
          {common.cancel}
        </Button>
      }
      onSubmit={async (body) => {
        if (ruleId === undefined)
          await api.PUT('/resource/{resourceId}/rule', {
            params: { path: { resourceId }, header: { 'Idempotency-Key': idempotencyKey } },
            body,
          });
        else await api.POST('/resource/{resourceId}/rule/{ruleId}', { params: { path: { resourceId, ruleId } }, body });
        onClose();
        toastDone((ruleId === undefined ? t.rules.added : t.rules.saved)(body.priority));
        await rulesChanged();
      }}
    >
      <Fields form={form} />
    </ApiForm>
  );
}

function Fields({ form }: { form: UseFormReturnType<Values> }) {
  const { labels, actions, matches } = t.rules;
  return (
    <>
      <NumberInput
        label={labels.priority}
        allowDecimal={false}
        allowNegative={false}
        key={form.key('priority')}
        {...form.getInputProps('priority')}
      />
      <Select
        label={labels.match}
        allowDeselect={false}
        data={Object.entries(matches).map(([value, label]) => ({ value, label }))}
        key={form.key('match')}
        {...form.getInputProps('match')}
      />
      <TextInput label={labels.value} spellCheck={false} key={form.key('value')} {...form.getInputProps('value')} />
      <Select
        label={labels.action}
        allowDeselect={false}
        data={Object.entries(actions).map(([value, label]) => ({ value, label }))}
        key={form.key('action')}
        {...form.getInputProps('action')}
      />
      <Switch
        label={labels.enabled}
        key={form.key('enabled')}
        {...form.getInputProps('enabled', { type: 'checkbox' })}
      />
    </>
  );
}

import { ActionIcon, Alert, Button, Code, Group, Stack, Switch } from '@mantine/core';
import { IconEdit, IconListDetails, IconTrash } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/resources';
import { api } from '@/api/client';
import { confirm } from '@/kit/confirm';
import { EmptyState } from '@/kit/empty';
import { Failure } from '@/kit/failure';
import { RowTable } from '@/kit/row-table';
import { toastDone, toastProblem } from '@/kit/toasts';
import { ExportMenu } from '@/list/export-menu';
import { type Rule, resourceQuery, resourcesChanged, rulesChanged, rulesQuery } from '@/resources/queries';
import { addRule, editRule } from '@/resources/rule-form';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/resources/public/$resource/rules')({
  component: Rules,
  staticData: { action: 'listResourceRules' },
});

function Rules() {
  const { org, resource } = Route.useParams();
  const resourceId = Number(resource);
  const may = useMay(org);
  const { data: of } = useQuery(resourceQuery(resourceId));
  const { data, error, refetch } = useQuery(rulesQuery(resourceId));
  if (of && of.mode !== 'http') return <Alert variant="outline">{t.authentication.notHttp}</Alert>;
  if (error && !data) return <Failure error={error} retry={refetch} />;
  const rules = data?.rules;
  const last = Math.max(0, ...(rules ?? []).map(({ priority }) => priority));
  const add = may('createResourceRule') && <Button onClick={() => addRule(resourceId, last)}>{t.rules.add}</Button>;
  const mayChange = may('updateResourceRule');
  const mayDelete = may('deleteResourceRule');
  const { columns } = t.rules;
  const actions = (rule: Rule) => (
    <Group gap={4} justify="flex-end" wrap="nowrap">
      {mayChange && (
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={t.rules.editOne(rule.priority)}
          onClick={() => editRule(rule)}
        >
          <IconEdit size={18} />
        </ActionIcon>
      )}
      {mayDelete && (
        <ActionIcon
          variant="subtle"
          color="red.8"
          aria-label={t.rules.deleteOne(rule.priority)}
          onClick={() => remove(rule)}
        >
          <IconTrash size={18} />
        </ActionIcon>
      )}
    </Group>
  );
  return (
    <Stack gap="md">
      <Group justify="space-between" align="flex-start">
        <Switch
          label={t.rules.apply}
          description={t.rules.applyHint}
          checked={of?.applyRules ?? false}
          disabled={!of || !may('updateResource')}
          onChange={({ currentTarget: { checked } }) => void apply(resourceId, checked).catch(toastProblem)}
        />
        {rules?.length !== 0 && (
          <Group gap="sm">
            <ExportMenu path={`/resource/${resource}/rules`} />
            {add}
          </Group>
        )}
      </Group>
      {of && !of.applyRules && rules && rules.length > 0 && (
        <Alert color="orange" variant="outline">
          {t.rules.off}
        </Alert>
      )}
      {rules?.length === 0 ? (
        <EmptyState icon={<IconListDetails />} title={t.rules.empty.title} description={t.rules.empty.description}>
          {add}
        </EmptyState>
      ) : (
        <RowTable
          label={t.rules.list}
          rows={rules}
          rowId={({ ruleId }) => ruleId}
          columns={[
            { title: columns.priority, render: ({ priority }) => priority, isNumber: true },
            { title: columns.match, render: ({ match }) => t.rules.matches[match] },
            { title: columns.value, render: ({ value }) => <Code>{value}</Code> },
            { title: columns.action, render: ({ action }) => t.rules.actions[action] },
            { title: columns.enabled, render: ({ enabled }) => (enabled ? t.enabled : t.disabled) },
            ...(mayChange || mayDelete ? [{ title: ' ', render: actions }] : []),
          ]}
        />
      )}
    </Stack>
  );
}

async function apply(resourceId: number, applyRules: boolean): Promise<void> {
  await api.POST('/resource/{resourceId}', { params: { path: { resourceId } }, body: { applyRules } });
  await resourcesChanged();
}

function remove({ resourceId, ruleId, priority }: Rule): void {
  confirm({
    title: t.rules.deleteTitle(priority),
    consequence: t.rules.deleteConsequence,
    confirmLabel: t.delete,
    isGrave: true,
    onConfirm: async () => {
      await api.DELETE('/resource/{resourceId}/rule/{ruleId}', { params: { path: { resourceId, ruleId } } });
      toastDone(t.rules.deleted(priority));
      await rulesChanged();
    },
  });
}

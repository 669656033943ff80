import { ActionIcon, Button, Code, Group, Stack } from '@mantine/core';
import { IconEdit, IconServer, IconTrash } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/resources';
import { api } from '@/api/client';
import { confirmByName } from '@/kit/confirm';
import { EmptyState } from '@/kit/empty';
import { Failure } from '@/kit/failure';
import { PageLink } from '@/kit/page-link';
import { RowTable } from '@/kit/row-table';
import { toastDone } from '@/kit/toasts';
import { ExportMenu } from '@/list/export-menu';
import { TargetHealth } from '@/resources/parts';
import { resourceQuery, resourcesChanged, type Target, targetsQuery } from '@/resources/queries';
import { addTarget, editTarget, nameOf } from '@/resources/target-form';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/resources/public/$resource/targets')({
  component: Targets,
  staticData: { action: 'listTargets' },
});

function Targets() {
  const { org, resource } = Route.useParams();
  const may = useMay(org);
  const { data: of } = useQuery(resourceQuery(Number(resource)));
  const { data, error, refetch } = useQuery(targetsQuery(Number(resource)));
  if (error && !data) return <Failure error={error} retry={refetch} />;
  const add = of && may('createTarget') && <Button onClick={() => addTarget(of)}>{t.targets.add}</Button>;
  if (data?.targets.length === 0)
    return (
      <EmptyState icon={<IconServer />} title={t.targets.empty.title} description={t.targets.empty.description}>
        {add}
      </EmptyState>
    );
  const mayChange = may('updateTarget');
  const mayDelete = may('deleteTarget');
  const { columns } = t.targets;
  const actions = (target: Target) => (
    <Group gap={4} justify="flex-end" wrap="nowrap">
      {mayChange && (
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={t.targets.editOne(nameOf(target))}
          onClick={() => editTarget(org, target)}
        >
          <IconEdit size={18} />
        </ActionIcon>
      )}
      {mayDelete && (
        <ActionIcon
          variant="subtle"
          color="red.8"
          aria-label={t.targets.deleteOne(nameOf(target))}
          onClick={() => remove(target)}
        >
          <IconTrash size={18} />
        </ActionIcon>
      )}
    </Group>
  );
  return (
    <Stack gap="sm">
      <Group justify="flex-end">
        <ExportMenu path={`/resource/${resource}/targets`} />
        {add}
      </Group>
      <RowTable
        label={t.targets.list}
        rows={data?.targets}
        rowId={({ targetId }) => targetId}
        columns={[
          {
            title: columns.address,
            render: (target) => `${target.method ? `${target.method}://` : ''}${nameOf(target)}`,
          },
          {
            title: columns.site,
            render: ({ siteId, siteName }) => (
              <PageLink to="/org/$org/sites/$site" params={{ org, site: String(siteId) }}>
                {siteName}
              </PageLink>
            ),
          },
          {
            title: columns.health,
            render: (target) => <TargetHealth of={target} />,
          },
          { title: columns.path, render: ({ path }) => path && <Code>{path}</Code> },
          { title: columns.priority, render: ({ priority }) => priority, isNumber: true },
          { title: columns.enabled, render: ({ enabled }) => (enabled ? t.enabled : t.disabled) },
          ...(mayChange || mayDelete ? [{ title: ' ', render: actions }] : []),
        ]}
      />
    </Stack>
  );
}

function remove(target: Target): void {
  const { targetId } = target;
  const name = nameOf(target);
  confirmByName({
    title: t.targets.deleteTitle(name),
    consequence: t.targets.deleteConsequence,
    name,
    confirmLabel: t.delete,
    onConfirm: async () => {
      await api.DELETE('/target/{targetId}', { params: { path: { targetId } } });
      toastDone(t.targets.deleted(name));
      await resourcesChanged();
    },
  });
}

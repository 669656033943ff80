import { Badge, Button, Card, Group, Stack, Text, Title, Tooltip } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { t } from '@texts/account';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import { confirm } from '@/kit/confirm';
import { formatNumber } from '@/kit/formats';
import { Time, useZoneLabel } from '@/kit/time';
import { toastDone } from '@/kit/toasts';
import { type Column, ListTable, PAGE_SIZE } from '@/list/list-table';
import type { ListSearch } from '@/list/search';
import { deviceOf } from './device-of';

type Session = components['schemas']['OwnSession'];

const texts = t.sessions;

/** Where one is signed in, and the end of that: of one session, or of all but this one. */
export function OwnSessions({ search, onSearch }: { search: ListSearch; onSearch: (search: ListSearch) => void }) {
  const zone = useZoneLabel();
  const query = useQuery(
    $api.queryOptions('get', '/auth/sessions', { params: { query: { page: search.page, pageSize: PAGE_SIZE } } }),
  );
  const total = query.data?.pagination.total;
  const device = (session: Session) => (
    <Group gap="xs">
      <Tooltip label={session.userAgent} disabled={!session.userAgent} multiline maw={420}>
        <Text span size="sm">
          {nameOf(session)}
        </Text>
      </Tooltip>
      {session.isCurrent && (
        <Badge variant="outline" tt="none">
          {texts.current}
        </Badge>
      )}
    </Group>
  );
  const button = (session: Session) =>
    !session.isCurrent && (
      <Button
        size="compact-sm"
        variant="default"
        aria-label={texts.endOne(nameOf(session))}
        onClick={() => endOne(session)}
      >
        {texts.end}
      </Button>
    );
  const columns: Column<Session>[] = [
    { key: 'device', title: texts.columns.device, render: device },
    { key: 'lastUsedFrom', title: texts.columns.address, render: (one) => one.lastUsedFrom ?? one.createdFrom },
    {
      key: 'lastUsedAt',
      title: texts.columns.lastUsedAt,
      render: ({ lastUsedAt }) => <Time at={lastUsedAt} otherwise={texts.unknown} />,
      width: 130,
    },
    {
      key: 'createdAt',
      title: `${texts.columns.createdAt} (${zone})`,
      render: ({ createdAt }) => <Time at={createdAt} absolute />,
      width: 210,
    },
    {
      key: 'expiresAt',
      title: `${texts.columns.expiresAt} (${zone})`,
      render: ({ expiresAt }) => <Time at={expiresAt} absolute />,
      width: 210,
      hidden: true,
    },
    { key: 'end', title: ' ', render: button, width: 110 },
  ];
  return (
    <Card withBorder>
      <Group justify="space-between" align="flex-start" mb="sm">
        <div>
          <Title order={2}>{texts.title}</Title>
          <Text size="sm" c="dimmed">
            {texts.hint}
          </Text>
        </div>
        {total !== undefined && total > 1 && (
          <Button variant="default" onClick={() => endOthers(total - 1)}>
            {texts.endOthers}
          </Button>
        )}
      </Group>
      <ListTable
        id="own-sessions"
        label={texts.list}
        query={query}
        rows={query.data?.sessions}
        total={total}
        rowId={({ sessionId }) => sessionId}
        columns={columns}
        search={search}
        onSearch={onSearch}
        exported={undefined}
        card={(session) => (
          <Stack gap={6} align="flex-start">
            {device(session)}
            <Text size="sm" c="dimmed" component="div">
              {texts.columns.lastUsedAt} <Time at={session.lastUsedAt} otherwise={texts.unknown} />
              {(session.lastUsedFrom ?? session.createdFrom) && ` · ${session.lastUsedFrom ?? session.createdFrom}`}
            </Text>
            <Text size="sm" c="dimmed" component="div">
              {texts.columns.createdAt} <Time at={session.createdAt} absolute />
            </Text>
            {button(session)}
          </Stack>
        )}
        empty={null}
      />
    </Card>
  );
}

function nameOf({ userAgent }: Session): string {
  if (userAgent === null) return texts.noDevice;
  const device = deviceOf(userAgent);
  return device ? texts.device(device.browser, device.system) : userAgent;
}

const sessionsChanged = () => queryClient.invalidateQueries({ queryKey: ['get', '/auth/sessions'] });

function endOne(session: Session): void {
  confirm({
    title: texts.endTitle,
    consequence: texts.endConsequence(nameOf(session)),
    confirmLabel: texts.end,
    withoutCurl: true,
    onConfirm: async () => {
      await api.DELETE('/auth/session/{sessionId}', { params: { path: { sessionId: session.sessionId } } });
      await sessionsChanged();
      toastDone(texts.ended);
    },
  });
}

function endOthers(count: number): void {
  confirm({
    title: texts.endOthers,
    consequence: texts.endOthersConsequence(count, formatNumber(count)),
    confirmLabel: texts.endOthers,
    withoutCurl: true,
    onConfirm: async () => {
      const { data } = await api.POST('/auth/end-other-sessions', {});
      await sessionsChanged();
      toastDone(texts.othersEnded(data!.ended, formatNumber(data!.ended)));
    },
  });
}

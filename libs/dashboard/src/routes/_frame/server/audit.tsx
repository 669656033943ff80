import { Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/server';
import { $api } from '@/api/client';
import { PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';
import { AuditList, auditQueryOf } from '@/logs/audit-list';

export const Route = createFileRoute('/_frame/server/audit')({ validateSearch: listSearch, component: ServerAudit });

function ServerAudit() {
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const query = useQuery(
    $api.queryOptions('get', '/audit', {
      params: { query: { ...auditQueryOf(search), page: search.page, pageSize: PAGE_SIZE } },
    }),
  );
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">
        {t.audit.hint}
      </Text>
      <AuditList
        id="server-audit"
        query={query}
        search={search}
        onSearch={(next, replace = false) => void navigate({ search: next, replace })}
        exportPath="/audit"
      />
    </Stack>
  );
}

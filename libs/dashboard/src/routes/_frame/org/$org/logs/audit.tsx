import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/logs';
import { $api } from '@/api/client';
import { PageHeader } from '@/kit/page';
import { PAGE_SIZE } from '@/list/list-table';
import { listSearch } from '@/list/search';
import { AuditList, auditQueryOf } from '@/logs/audit-list';

export const Route = createFileRoute('/_frame/org/$org/logs/audit')({
  validateSearch: listSearch,
  component: Audit,
  staticData: { action: 'listAudit' },
});

function Audit() {
  const { org } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const query = useQuery(
    $api.queryOptions('get', '/org/{orgId}/audit', {
      params: {
        path: { orgId: org },
        query: { ...auditQueryOf(search), page: search.page, pageSize: PAGE_SIZE },
      },
    }),
  );
  return (
    <>
      <PageHeader title={t.audit.title} />
      <AuditList
        id="audit"
        query={query}
        search={search}
        onSearch={(next, replace = false) => void navigate({ search: next, replace })}
        exportPath={`/org/${org}/audit`}
      />
    </>
  );
}

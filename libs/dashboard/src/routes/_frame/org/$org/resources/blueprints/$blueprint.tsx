import { Alert, Badge, Skeleton, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t as texts } from '@texts/blueprints';
import { t as common } from '@texts/common';
import { $api } from '@/api/client';
import { Failure } from '@/kit/failure';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { Time } from '@/kit/time';
import { useIsPhone } from '@/kit/use-is-phone';
import { BlueprintEditor } from '@/resources/blueprint-editor';
import { useMay } from '@/session/session';

/** One application of a blueprint: what it said, what came of it, and the way to apply it again. */
export const Route = createFileRoute('/_frame/org/$org/resources/blueprints/$blueprint')({
  component: BlueprintPage,
  staticData: { action: 'getBlueprint' },
});

function BlueprintPage() {
  const { org, blueprint } = Route.useParams();
  const blueprintId = Number(blueprint);
  const navigate = Route.useNavigate();
  const isPhone = useIsPhone();
  const mayApply = useMay(org)('applyBlueprint');
  const { data, error, refetch } = useQuery(
    $api.queryOptions('get', '/org/{orgId}/blueprint/{blueprintId}', { params: { path: { orgId: org, blueprintId } } }),
  );
  if (error && !data) return <Failure error={error} retry={refetch} />;
  return (
    <>
      <PageHeader
        above={
          <PageLink dimmed to="/org/$org/resources/blueprints" params={{ org }}>
            {texts.back}
          </PageLink>
        }
        title={data?.name ?? ' '}
        state={
          data && (
            <Badge variant="default" tt="none" fw={500}>
              {data.succeeded ? texts.succeeded : texts.failed}
            </Badge>
          )
        }
        description={
          data && (
            <>
              {texts.sources[data.source]} · <Time absolute at={new Date(data.createdAt * 1000).toISOString()} />
            </>
          )
        }
      />
      {/* What was read for another entry is no beginning for this one. */}
      {data?.blueprintId === blueprintId ? (
        <>
          {data.message && !data.succeeded && (
            <Alert color="red" variant="outline" title={texts.message} mb="md">
              {data.message}
            </Alert>
          )}
          {mayApply && (
            <Text size="sm" c="dimmed" mb="sm">
              {isPhone ? common.readOnlyOnPhone : texts.applyAgain}
            </Text>
          )}
          <BlueprintEditor
            key={blueprintId}
            org={org}
            before={data.contents}
            initial={data.contents}
            name={data.source === 'UI' ? data.name : ''}
            mayApply={mayApply}
            readOnly={isPhone}
            onApplied={(applied) =>
              void navigate({
                to: '/org/$org/resources/blueprints/$blueprint',
                params: { org, blueprint: String(applied) },
              })
            }
          />
        </>
      ) : (
        <Skeleton h={420} />
      )}
    </>
  );
}

import { Alert } from '@mantine/core';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/blueprints';
import { t as common } from '@texts/common';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { useIsPhone } from '@/kit/use-is-phone';
import { BlueprintEditor } from '@/resources/blueprint-editor';

export const Route = createFileRoute('/_frame/org/$org/resources/blueprints/new')({
  component: NewBlueprint,
  staticData: { action: 'applyBlueprint' },
});

function NewBlueprint() {
  const { org } = Route.useParams();
  const navigate = Route.useNavigate();
  const isPhone = useIsPhone();
  return (
    <>
      <PageHeader
        above={
          <PageLink dimmed to="/org/$org/resources/blueprints" params={{ org }}>
            {t.back}
          </PageLink>
        }
        title={t.newTitle}
      />
      {isPhone ? (
        <Alert variant="outline">{common.notOnPhone}</Alert>
      ) : (
        <BlueprintEditor
          org={org}
          initial={t.example}
          mayApply
          readOnly={false}
          onApplied={(blueprintId) =>
            void navigate({
              to: '/org/$org/resources/blueprints/$blueprint',
              params: { org, blueprint: String(blueprintId) },
            })
          }
        />
      )}
    </>
  );
}

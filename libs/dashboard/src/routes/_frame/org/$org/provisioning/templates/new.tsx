import { Anchor, Paper } from '@mantine/core';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t as common } from '@texts/common';
import { t } from '@texts/provisioning';
import { useState } from 'react';
import { api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import { newIdempotencyKey } from '@/api/versions';
import { PageHeader } from '@/kit/page';
import { toastDone } from '@/kit/toasts';
import { TemplateForm } from '@/provisioning/template-form';

export const Route = createFileRoute('/_frame/org/$org/provisioning/templates/new')({
  component: NewTemplate,
  staticData: { action: 'createProvisioningTemplate' },
});

function NewTemplate() {
  const { org } = Route.useParams();
  const navigate = Route.useNavigate();
  const [idempotencyKey] = useState(newIdempotencyKey);
  return (
    <>
      <PageHeader
        above={
          <Anchor
            size="sm"
            c="dimmed"
            renderRoot={(props) => <Link to="/org/$org/provisioning/templates" params={{ org }} {...props} />}
          >
            {t.templates.back}
          </Anchor>
        }
        title={t.templates.newTitle}
      />
      <Paper withBorder p="lg" maw={640}>
        <TemplateForm
          org={org}
          submitLabel={common.create}
          onSubmit={async (body) => {
            const { data } = await api.PUT('/org/{orgId}/provisioning-template', {
              params: { path: { orgId: org }, header: { 'Idempotency-Key': idempotencyKey } },
              body,
            });
            toastDone(t.templates.created(body.name));
            await queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/provisioning-templates'] });
            await navigate({
              to: '/org/$org/provisioning/templates/$template',
              params: { org, template: String(data!.templateId) },
              replace: true,
            });
          }}
        />
      </Paper>
    </>
  );
}

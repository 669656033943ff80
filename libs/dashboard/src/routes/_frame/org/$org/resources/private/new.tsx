import { Paper, Select, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/resources';
import { useState } from 'react';
import { api } from '@/api/client';
import { newIdempotencyKey } from '@/api/versions';
import { ApiForm } from '@/kit/form';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { toastDone } from '@/kit/toasts';
import { NEW_PRIVATE, newPrivateBodyOf, PrivateFields, type PrivateValues } from '@/resources/private-form';
import { privateChanged, useDomains } from '@/resources/queries';

export const Route = createFileRoute('/_frame/org/$org/resources/private/new')({
  component: NewPrivateResource,
  staticData: { action: 'createSiteResource' },
});

interface Values extends PrivateValues {
  domainId: string | null;
  subdomain: string;
}

function NewPrivateResource() {
  const { org } = Route.useParams();
  const navigate = Route.useNavigate();
  const domains = useDomains(org);
  const [idempotencyKey] = useState(newIdempotencyKey);
  const form = useForm<Values>({
    mode: 'controlled',
    initialValues: { ...NEW_PRIVATE, domainId: null, subdomain: '' },
  });
  const { mode } = form.values;
  return (
    <>
      <PageHeader
        above={
          <PageLink dimmed to="/org/$org/resources/private" params={{ org }}>
            {t.private.back}
          </PageLink>
        }
        title={t.private.newTitle}
      />
      <Paper withBorder p="lg" maw={640}>
        <ApiForm
          form={form}
          submitLabel={t.newPublic.submit}
          onSubmit={async ({ domainId, subdomain, ...values }) => {
            const { data } = await api.PUT('/org/{orgId}/site-resource', {
              params: { path: { orgId: org }, header: { 'Idempotency-Key': idempotencyKey } },
              body: {
                ...newPrivateBodyOf(values),
                ...(values.mode === 'http' ? { domainId, subdomain: subdomain || null } : {}),
              },
            });
            toastDone(t.private.created(values.name));
            await privateChanged();
            await navigate({
              to: '/org/$org/resources/private/$resource',
              params: { org, resource: String(data!.siteResourceId) },
              replace: true,
            });
          }}
        >
          <PrivateFields org={org} form={form} mode={mode} isNew />
          {mode === 'http' && (
            <>
              <Select
                label={t.newPublic.domain}
                searchable={(domains?.length ?? 0) > 8}
                data={domains?.map(({ domainId, baseDomain }) => ({ value: domainId, label: baseDomain })) ?? []}
                {...form.getInputProps('domainId')}
              />
              <TextInput
                label={t.newPublic.subdomain}
                description={t.newPublic.subdomainHint}
                spellCheck={false}
                {...form.getInputProps('subdomain')}
              />
            </>
          )}
        </ApiForm>
      </Paper>
    </>
  );
}

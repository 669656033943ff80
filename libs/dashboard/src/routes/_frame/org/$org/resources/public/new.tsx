import { Alert, NumberInput, Paper, SegmentedControl, Select, TextInput } from '@mantine/core';
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
import { resourcesChanged, useDomains } from '@/resources/queries';

export const Route = createFileRoute('/_frame/org/$org/resources/public/new')({
  component: NewResource,
  staticData: { action: 'createResource' },
});

interface Values {
  name: string;
  mode: 'http' | 'tcp' | 'udp';
  domainId: string | null;
  subdomain: string;
  proxyPort: number | '';
}

const texts = t.newPublic;

const bodyOf = ({ name, mode, domainId, subdomain, proxyPort }: Values) =>
  mode === 'http'
    ? { name, mode, domainId: domainId ?? undefined, subdomain: subdomain || null }
    : { name, mode, proxyPort: proxyPort === '' ? undefined : proxyPort };

function NewResource() {
  const { org } = Route.useParams();
  const navigate = Route.useNavigate();
  const domains = useDomains(org);
  const [idempotencyKey] = useState(newIdempotencyKey);
  const form = useForm<Values>({
    mode: 'controlled',
    initialValues: { name: '', mode: 'http', domainId: null, subdomain: '', proxyPort: '' },
  });
  const { values } = form;
  // With one domain there is nothing to choose.
  const domainId = values.domainId ?? (domains?.length === 1 ? domains[0]!.domainId : null);
  const body = bodyOf({ ...values, domainId });
  return (
    <>
      <PageHeader
        above={
          <PageLink dimmed to="/org/$org/resources/public" params={{ org }}>
            {t.public.back}
          </PageLink>
        }
        title={texts.title}
      />
      <Paper withBorder p="lg" maw={640}>
        <ApiForm
          form={form}
          submitLabel={texts.submit}
          onSubmit={async () => {
            const { data } = await api.PUT('/org/{orgId}/resource', {
              params: { path: { orgId: org }, header: { 'Idempotency-Key': idempotencyKey } },
              body,
            });
            toastDone(texts.created(values.name));
            await resourcesChanged();
            await navigate({
              to: '/org/$org/resources/public/$resource/targets',
              params: { org, resource: String(data!.resourceId) },
              replace: true,
            });
          }}
        >
          <TextInput label={texts.name} autoFocus autoComplete="off" {...form.getInputProps('name')} />
          <SegmentedControl
            aria-label={texts.mode}
            data={Object.entries(t.modes).map(([value, label]) => ({ value, label }))}
            {...form.getInputProps('mode')}
          />
          {values.mode === 'http' ? (
            <>
              {domains?.length === 0 && (
                <Alert color="orange" variant="outline">
                  {texts.noDomains}{' '}
                  <PageLink to="/org/$org/resources/domains" params={{ org }}>
                    {texts.toDomains}
                  </PageLink>
                </Alert>
              )}
              <Select
                label={texts.domain}
                description={texts.domainHint}
                searchable={(domains?.length ?? 0) > 8}
                data={domains?.map((domain) => ({ value: domain.domainId, label: domain.baseDomain })) ?? []}
                {...form.getInputProps('domainId')}
                value={domainId}
              />
              <TextInput
                label={texts.subdomain}
                description={texts.subdomainHint}
                autoComplete="off"
                spellCheck={false}
                {...form.getInputProps('subdomain')}
              />
            </>
          ) : (
            <NumberInput
              label={texts.port}
              description={texts.portHint}
              allowDecimal={false}
              allowNegative={false}
              {...form.getInputProps('proxyPort')}
            />
          )}
        </ApiForm>
      </Paper>
    </>
  );
}

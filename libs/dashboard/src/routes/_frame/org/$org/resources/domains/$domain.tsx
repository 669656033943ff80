import { Alert, Button, Group, Paper, Skeleton, Stack, Switch, Text, TextInput, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/resources';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import { ifMatch } from '@/api/versions';
import { confirmByName } from '@/kit/confirm';
import { CopyId } from '@/kit/copy';
import { Failure } from '@/kit/failure';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { RowTable } from '@/kit/row-table';
import { toastDone, toastProblem } from '@/kit/toasts';
import { VersionedForm } from '@/kit/versioned-form';
import { DomainState } from '@/resources/domain-state';
import { type Domain, domainsChanged } from '@/resources/queries';
import { useMay } from '@/session/session';

/** A domain: which records it needs, which were found, and the certificates below it. */
export const Route = createFileRoute('/_frame/org/$org/resources/domains/$domain')({
  component: DomainPage,
  staticData: { action: 'getDomain' },
});

const texts = t.domains;

const domainQuery = (orgId: string, domainId: string) =>
  $api.queryOptions('get', '/org/{orgId}/domain/{domainId}', { params: { path: { orgId, domainId } } });

function DomainPage() {
  const { org, domain: domainId } = Route.useParams();
  const navigate = Route.useNavigate();
  const may = useMay(org);
  const { data, error, refetch } = useQuery(domainQuery(org, domainId));
  if (error && !data) return <Failure error={error} retry={refetch} />;
  const path = { orgId: org, domainId };
  return (
    <>
      <PageHeader
        above={
          <PageLink dimmed to="/org/$org/resources/domains" params={{ org }}>
            {texts.back}
          </PageLink>
        }
        title={data?.baseDomain ?? ' '}
        state={data && <DomainState {...data} />}
        description={data && (data.configManaged ? texts.byConfiguration : data.type && texts.typeHints[data.type])}
        actions={
          data &&
          !data.configManaged && (
            <>
              {may('restartOrgDomain') && (
                <Button
                  variant="default"
                  onClick={() =>
                    void api
                      .POST('/org/{orgId}/domain/{domainId}/restart', { params: { path } })
                      .then(() => {
                        toastDone(texts.restarted(data.baseDomain));
                        return domainsChanged();
                      })
                      .catch(toastProblem)
                  }
                >
                  {texts.restart}
                </Button>
              )}
              {may('deleteOrgDomain') && (
                <Button
                  variant="default"
                  c="var(--mantine-color-error)"
                  onClick={() =>
                    confirmByName({
                      title: texts.deleteTitle(data.baseDomain),
                      consequence: texts.deleteConsequence,
                      name: data.baseDomain,
                      confirmLabel: t.delete,
                      onConfirm: async () => {
                        await api.DELETE('/org/{orgId}/domain/{domainId}', {
                          params: { path, header: ifMatch(data) },
                        });
                        toastDone(texts.deleted(data.baseDomain));
                        await navigate({ to: '/org/$org/resources/domains', params: { org } });
                        await domainsChanged();
                      },
                    })
                  }
                >
                  {t.delete}
                </Button>
              )}
            </>
          )
        }
      />
      {data ? (
        <Stack gap="lg">
          {data.errorMessage && (
            <Alert color="red" variant="outline">
              {data.errorMessage}
            </Alert>
          )}
          {may('getDNSRecords') && <Records org={org} domainId={domainId} />}
          {data.type === 'wildcard' && <Certificates key={domainId} org={org} domain={data} />}
        </Stack>
      ) : (
        <Skeleton h={240} />
      )}
    </>
  );
}

function Records({ org, domainId }: { org: string; domainId: string }) {
  const { data } = useQuery(
    $api.queryOptions('get', '/org/{orgId}/domain/{domainId}/dns-records', {
      params: { path: { orgId: org, domainId } },
    }),
  );
  const { recordColumns: columns } = texts;
  return (
    <section>
      <Title order={2} mb="sm">
        {texts.records}
      </Title>
      {data?.length === 0 ? (
        <Text size="sm">{texts.noRecords}</Text>
      ) : (
        <RowTable
          label={texts.records}
          rows={data}
          rowId={({ id }) => id}
          columns={[
            { title: columns.type, render: ({ recordType }) => recordType },
            { title: columns.name, render: ({ baseDomain }) => <CopyId id={baseDomain} what={texts.copyName} /> },
            { title: columns.value, render: ({ value }) => <CopyId id={value} what={texts.copyValue} /> },
            { title: columns.state, render: ({ verified }) => (verified ? texts.found : texts.notFound) },
          ]}
        />
      )}
    </section>
  );
}

const valuesOf = ({ certResolver, preferWildcardCert }: Domain) => ({
  certResolver: certResolver ?? '',
  preferWildcardCert: preferWildcardCert ?? false,
});

function Certificates({ org, domain }: { org: string; domain: Domain }) {
  const { domainId, baseDomain, configManaged } = domain;
  const mayChange = useMay(org)('updateOrgDomain');
  const { certResolver, preferWildcardCert } = texts.labels;
  return (
    <Paper withBorder p="lg" maw={640}>
      <Title order={2} mb="sm">
        {texts.certificates}
      </Title>
      <VersionedForm
        read={domain}
        valuesOf={valuesOf}
        labels={{ certResolver, preferWildcardCert }}
        readOnly={!mayChange || configManaged}
        readAgain={() => queryClient.fetchQuery({ ...domainQuery(org, domainId), staleTime: 0 })}
        save={async (changed, header) => {
          await api.PATCH('/org/{orgId}/domain/{domainId}', {
            params: { path: { orgId: org, domainId }, header },
            body: {
              ...changed,
              ...(changed.certResolver === undefined ? {} : { certResolver: changed.certResolver || null }),
            },
          });
          toastDone(texts.saved(baseDomain));
          await domainsChanged();
        }}
      >
        {(form) => (
          <>
            <TextInput label={certResolver} key={form.key('certResolver')} {...form.getInputProps('certResolver')} />
            <Group>
              <Switch
                label={preferWildcardCert}
                key={form.key('preferWildcardCert')}
                {...form.getInputProps('preferWildcardCert', { type: 'checkbox' })}
              />
            </Group>
          </>
        )}
      </VersionedForm>
    </Paper>
  );
}

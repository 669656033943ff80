import { Card, SimpleGrid, Skeleton, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/settings';
import { useEffect, useState } from 'react';
import { api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import type { components, Versioned } from '@/api/types';
import { changesBetween, ifMatch } from '@/api/versions';
import { ChangedMeanwhile } from '@/kit/changed-meanwhile';
import { CopyId } from '@/kit/copy';
import { Facts } from '@/kit/facts';
import { Failure } from '@/kit/failure';
import { ApiForm } from '@/kit/form';
import { Time } from '@/kit/time';
import { toastDone, toastProblem } from '@/kit/toasts';
import { orgQuery } from '@/orgs/org-query';
import { useMay, userQuery } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/settings/')({ component: OrganizationSettings });

type Org = components['schemas']['OrgView'];

function OrganizationSettings() {
  const { org } = Route.useParams();
  const { data, error, refetch } = useQuery(orgQuery(org));
  if (error && !data) return <Failure error={error} retry={refetch} />;
  if (!data) return <Skeleton h={240} />;
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }}>
      <Name read={data.org} version={data} />
      <Facts
        title={t.organization.title}
        facts={[
          [t.organization.orgId, <CopyId key="id" id={data.org.orgId} what={t.organization.orgId} />],
          [t.organization.subnet, data.org.subnet],
          [t.organization.utilitySubnet, data.org.utilitySubnet],
          [t.organization.createdAt, <Time key="created" at={data.org.createdAt} absolute />],
        ]}
      />
    </SimpleGrid>
  );
}

function Name({ read, version }: { read: Org; version: Versioned }) {
  const may = useMay(read.orgId);
  const mayChange = may('updateOrg');
  const [began, setBegan] = useState({ org: read, version });
  const [theirs, setTheirs] = useState<typeof began>();
  const form = useForm({ initialValues: { name: read.name } });
  const begin = (from: typeof began) => {
    setBegan(from);
    setTheirs(undefined);
    form.setInitialValues({ name: from.org.name });
    form.reset();
  };
  // Nothing is typed: the form shows what the server has.
  useEffect(() => {
    if (version.$etag !== began.version.$etag && theirs === undefined && !form.isDirty()) begin({ org: read, version });
  });
  const save = async ({ name }: typeof form.values, against: Versioned) => {
    const { data } = await api.POST('/org/{orgId}', {
      params: { path: { orgId: read.orgId }, header: ifMatch(against) },
      body: { name },
    });
    begin({ org: data!, version: data! });
    toastDone(t.organization.done);
    await queryClient.invalidateQueries({ queryKey: orgQuery(read.orgId).queryKey });
    // Its name is in the switcher of organizations.
    await queryClient.invalidateQueries({ queryKey: userQuery.queryKey });
    await queryClient.invalidateQueries({ queryKey: ['get', '/orgs'] });
  };
  return (
    <Card withBorder>
      <ApiForm
        form={form}
        submitLabel={t.organization.submit}
        disabled={!mayChange || theirs !== undefined}
        onSubmit={(values) => save(values, began.version)}
        onProblem={({ code }) => {
          if (code !== 'precondition_failed') return false;
          void queryClient
            .fetchQuery({ ...orgQuery(read.orgId), staleTime: 0 })
            .then((now) => setTheirs({ org: now.org, version: now }), toastProblem);
          return true;
        }}
      >
        {theirs && (
          <ChangedMeanwhile
            changes={changesBetween(began.org, theirs.org, ['name'])}
            labels={t.organization.fields}
            onTakeTheirs={() => begin(theirs)}
            onSaveMine={() => void save(form.getValues(), theirs.version).catch(toastProblem)}
          />
        )}
        <TextInput label={t.organization.name} readOnly={!mayChange} {...form.getInputProps('name')} />
        {!mayChange && (
          <Text size="sm" c="dimmed">
            {t.organization.cannot}
          </Text>
        )}
      </ApiForm>
    </Card>
  );
}

import { Alert, Button, Group, Skeleton, Stack, Text, Title } from '@mantine/core';
import { modals } from '@mantine/modals';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t as common } from '@texts/common';
import { t } from '@texts/configuration';
import { useState } from 'react';
import { $api, api } from '@/api/client';
import { isProblem } from '@/api/problem';
import { ifMatch, newIdempotencyKey } from '@/api/versions';
import { type Bootstrap, bootstrapChanged, bootstrapQuery } from '@/configuration/queries';
import { StartUpEditor } from '@/configuration/start-up-editor';
import { CodeEditor, DocumentDiff } from '@/documents/code-editor';
import { Failure } from '@/kit/failure';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { RowTable } from '@/kit/row-table';
import { Time } from '@/kit/time';
import { toastDone, toastProblem } from '@/kit/toasts';
import { useIsPhone } from '@/kit/use-is-phone';
import { ExportMenu } from '@/list/export-menu';
import { useMay } from '@/session/session';

/** The start-up document of a profile: edited, run dry, saved and rolled out; its revisions, and the way back to one. */
export const Route = createFileRoute('/_frame/org/$org/configuration/start-up/$profile')({
  component: StartUp,
  staticData: { action: 'getProvisioningProfile' },
});

const texts = t.startUp;
const REVISIONS = 50;

function StartUp() {
  const params = Route.useParams();
  const { org } = params;
  const profileId = Number(params.profile);
  const isPhone = useIsPhone();
  const mayChange = useMay(org)('updateProvisioningProfile');
  const { data: profile, error } = useQuery(
    $api.queryOptions('get', '/org/{orgId}/provisioning-profile/{profileId}', {
      params: { path: { orgId: org, profileId } },
    }),
  );
  const bootstrap = useQuery({ ...bootstrapQuery(org, profileId), placeholderData: undefined });
  const hasNone = isProblem(bootstrap.error, 'not_found');
  if (error && !profile) return <Failure error={error} />;
  if (bootstrap.error && !hasNone && !bootstrap.data)
    return <Failure error={bootstrap.error} retry={bootstrap.refetch} />;
  const current = hasNone ? undefined : bootstrap.data;
  return (
    <>
      <PageHeader
        above={
          <PageLink dimmed to="/org/$org/configuration/start-up" params={{ org }}>
            {texts.back}
          </PageLink>
        }
        title={profile?.name ?? ' '}
        description={
          current &&
          (current.settledRevision === current.revision
            ? texts.settled(current.revision)
            : texts.notSettled(current.revision, current.settledRevision))
        }
      />
      {current || hasNone ? (
        <Stack gap="lg">
          {mayChange && isPhone && <Alert variant="outline">{common.readOnlyOnPhone}</Alert>}
          <StartUpEditor
            key={profileId}
            orgId={org}
            profileId={profileId}
            read={current}
            readOnly={!mayChange || isPhone}
          />
          <Revisions org={org} profileId={profileId} current={current} mayRevert={mayChange} />
        </Stack>
      ) : (
        <Skeleton h={420} />
      )}
    </>
  );
}

function Revisions({
  org,
  profileId,
  current,
  mayRevert,
}: {
  org: string;
  profileId: number;
  current: Bootstrap | undefined;
  mayRevert: boolean;
}) {
  const { data } = useQuery(
    $api.queryOptions('get', '/org/{orgId}/provisioning-profile/{profileId}/bootstrap/revisions', {
      params: { path: { orgId: org, profileId }, query: { pageSize: REVISIONS } },
    }),
  );
  if (data?.revisions.length === 0) return null;
  const { revisionColumns: columns } = texts;
  return (
    <section>
      <Group justify="space-between" mb="sm">
        <Title order={2}>{texts.revisions}</Title>
        <ExportMenu path={`/org/${org}/provisioning-profile/${profileId}/bootstrap/revisions`} />
      </Group>
      <RowTable
        label={texts.revisions}
        rows={data?.revisions}
        rowId={({ revision }) => revision}
        columns={[
          {
            title: columns.revision,
            render: ({ revision, current: isCurrent }) => (isCurrent ? `${revision} (${texts.current})` : revision),
          },
          { title: columns.secrets, render: ({ secrets }) => secrets.join(', ') },
          { title: columns.createdBy, render: ({ createdBy }) => createdBy },
          { title: columns.createdAt, render: ({ createdAt }) => <Time at={createdAt} /> },
          {
            title: ' ',
            render: ({ revision, current: isCurrent }) =>
              !isCurrent && (
                <Group justify="flex-end">
                  <Button
                    size="compact-sm"
                    variant="default"
                    aria-label={texts.showOne(revision)}
                    onClick={() => showRevision({ org, profileId, revision, current, mayRevert })}
                  >
                    {texts.show}
                  </Button>
                </Group>
              ),
          },
        ]}
      />
    </section>
  );
}

interface Shown {
  org: string;
  profileId: number;
  revision: number;
  current: Bootstrap | undefined;
  mayRevert: boolean;
}

/** An earlier revision, and what going back to it would change, in a dialog. */
function showRevision(shown: Shown): void {
  const id = modals.open({
    title: texts.revertTitle(shown.revision),
    size: 'xl',
    children: <Revision {...shown} onClose={() => modals.close(id)} />,
  });
}

function Revision({ org, profileId, revision, current, mayRevert, onClose }: Shown & { onClose: () => void }) {
  const [idempotencyKey] = useState(newIdempotencyKey);
  const { data, error } = useQuery({ ...bootstrapQuery(org, profileId, revision), placeholderData: undefined });
  if (error && !data) return <Failure error={error} />;
  if (!data) return <Skeleton h={240} />;
  const revert = async () => {
    const { data: saved } = await api.POST('/org/{orgId}/provisioning-profile/{profileId}/bootstrap/revert', {
      params: {
        path: { orgId: org, profileId },
        header: { 'Idempotency-Key': idempotencyKey, ...(current ? ifMatch(current) : {}) },
      },
      body: { revision },
    });
    onClose();
    toastDone(texts.reverted(saved!.revision));
    await bootstrapChanged();
  };
  return (
    <Stack>
      {current ? (
        <>
          <Text size="sm">{texts.revertHint}</Text>
          <DocumentDiff before={current.document} after={data.document} label={texts.diff} />
        </>
      ) : (
        <CodeEditor value={data.document} label={texts.document} readOnly />
      )}
      <Group justify="flex-end" gap="sm">
        <Button variant="subtle" color="gray" onClick={onClose}>
          {common.close}
        </Button>
        {mayRevert && <Button onClick={() => void revert().catch(toastProblem)}>{texts.revert}</Button>}
      </Group>
    </Stack>
  );
}

import {
  Anchor,
  Badge,
  Button,
  Card,
  Code,
  Group,
  Paper,
  SimpleGrid,
  Skeleton,
  Stack,
  Text,
  Title,
} from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { t as common } from '@texts/common';
import { t } from '@texts/provisioning';
import type { ReactNode } from 'react';
import { $api, api } from '@/api/client';
import { queryClient } from '@/api/query-client';
import { confirmByName } from '@/kit/confirm';
import { Failure } from '@/kit/failure';
import { PageHeader } from '@/kit/page';
import { PageLink } from '@/kit/page-link';
import { toastDone } from '@/kit/toasts';
import { type Template, useTemplates } from '@/provisioning/queries';
import { TemplateForm } from '@/provisioning/template-form';
import { useMay } from '@/session/session';

export const Route = createFileRoute('/_frame/org/$org/provisioning/templates/$template')({
  component: TemplatePage,
  staticData: { action: 'getProvisioningTemplate' },
});

const changed = (): Promise<unknown> =>
  Promise.all([
    queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/provisioning-templates'] }),
    queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/provisioning-template/{templateId}'] }),
  ]);

function TemplatePage() {
  const params = Route.useParams();
  const { org } = params;
  const templateId = Number(params.template);
  const may = useMay(org);
  const { data, error, refetch } = useQuery(
    $api.queryOptions('get', '/org/{orgId}/provisioning-template/{templateId}', {
      params: { path: { orgId: org, templateId } },
    }),
  );
  if (error && !data) return <Failure error={error} retry={refetch} />;
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
        title={data?.name ?? ' '}
        actions={data && may('deleteProvisioningTemplate') && <Remove template={data} />}
      />
      {data ? (
        <SimpleGrid cols={{ base: 1, md: 2 }} style={{ alignItems: 'start' }}>
          <Paper withBorder p="lg">
            <TemplateForm
              // Somebody else's change begins the form anew.
              key={JSON.stringify(data)}
              org={org}
              template={data}
              readOnly={!may('updateProvisioningTemplate')}
              submitLabel={common.save}
              onSubmit={async (body) => {
                await api.POST('/org/{orgId}/provisioning-template/{templateId}', {
                  params: { path: { orgId: org, templateId } },
                  body,
                });
                toastDone(t.templates.saved(body.name));
                await changed();
              }}
            />
          </Paper>
          <Profile org={org} profileId={data.profileId} />
        </SimpleGrid>
      ) : (
        <Skeleton h={400} />
      )}
    </>
  );
}

function Remove({ template: { orgId, templateId, name } }: { template: Template }) {
  const navigate = Route.useNavigate();
  return (
    <Button
      variant="default"
      c="var(--mantine-color-error)"
      onClick={() =>
        confirmByName({
          title: t.templates.removeTitle(name),
          consequence: t.templates.removeConsequence,
          name,
          confirmLabel: t.templates.remove,
          onConfirm: async () => {
            await api.DELETE('/org/{orgId}/provisioning-template/{templateId}', {
              params: { path: { orgId, templateId } },
            });
            toastDone(t.templates.removed(name));
            await navigate({ to: '/org/$org/provisioning/templates', params: { org: orgId } });
            await queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/provisioning-templates'] });
          },
        })
      }
    >
      {t.templates.remove}
    </Button>
  );
}

/** What sites inherit: a part of the template that others may share. */
function Profile({ org, profileId }: { org: string; profileId: number | null }) {
  const may = useMay(org);
  const texts = t.templates.profile;
  const { data: profile } = useQuery({
    ...$api.queryOptions('get', '/org/{orgId}/provisioning-profile/{profileId}', {
      params: { path: { orgId: org, profileId: profileId ?? 0 } },
    }),
    enabled: profileId !== null && may('getProvisioningProfile'),
  });
  const sharing = useTemplates(org)?.filter((one) => one.profileId === profileId).length ?? 0;
  return (
    <Card withBorder p="lg">
      <Title order={2} mb="sm">
        {texts.title}
        {profile && profileId !== null && `: ${profile.name}`}
      </Title>
      {profileId === null ? (
        <Text size="sm">{texts.none}</Text>
      ) : profile ? (
        <Stack gap="sm">
          {sharing > 1 && <Text size="sm">{texts.shared(sharing)}</Text>}
          {profile.description && <Text size="sm">{profile.description}</Text>}
          <Part name={texts.labels}>
            {Object.keys(profile.labels).length === 0
              ? common.none
              : Object.entries(profile.labels).map(([key, value]) => (
                  <Badge key={key} variant="default" tt="none" fw={400}>{`${key}=${value}`}</Badge>
                ))}
          </Part>
          <Part name={texts.document}>
            <PageLink
              to="/org/$org/configuration/start-up/$profile"
              params={{ org, profile: String(profile.profileId) }}
            >
              {profile.bootstrapRevision === null ? texts.noDocument : texts.revision(profile.bootstrapRevision)}
            </PageLink>
          </Part>
          <Part name={texts.blueprint}>{profile.blueprint ? texts.hasBlueprint : texts.noBlueprint}</Part>
          {Object.keys(profile.config).length > 0 && (
            <Part name={texts.config}>
              <Code block flex={1}>
                {JSON.stringify(profile.config, null, 2)}
              </Code>
            </Part>
          )}
        </Stack>
      ) : (
        <Skeleton h={80} />
      )}
    </Card>
  );
}

function Part({ name, children }: { name: string; children: ReactNode }) {
  return (
    <Group gap="sm" align="flex-start">
      <Text size="sm" c="dimmed" w={130}>
        {name}
      </Text>
      <Group gap={4} flex={1} fz="sm">
        {children}
      </Group>
    </Group>
  );
}

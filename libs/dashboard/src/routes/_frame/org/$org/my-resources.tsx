import { Anchor, Badge, Card, Group, SimpleGrid, Skeleton, Stack, Text, TextInput, Title } from '@mantine/core';
import { IconExternalLink, IconLock, IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/my-resources';
import { useState } from 'react';
import { $api } from '@/api/client';
import { CopyId } from '@/kit/copy';
import { EmptyState } from '@/kit/empty';
import { Failure } from '@/kit/failure';
import { PageHeader } from '@/kit/page';
import { useOrganizations } from '@/orgs/queries';

/** What one may open, for who has nothing to administer. It needs no more than to belong to the organization. */
export const Route = createFileRoute('/_frame/org/$org/my-resources')({ component: MyResources });

const SEARCHABLE = 10;

function MyResources() {
  const { org } = Route.useParams();
  const [wanted, setWanted] = useState('');
  const name = useOrganizations()?.find(({ orgId }) => orgId === org)?.name ?? org;
  const { data, error, refetch } = useQuery(
    $api.queryOptions('get', '/org/{orgId}/user-resources', { params: { path: { orgId: org } } }),
  );
  const fits = (text: string) => text.toLowerCase().includes(wanted.trim().toLowerCase());
  const resources = data?.resources.filter((one) => fits(`${one.name} ${one.domain ?? ''}`));
  const privates = data?.siteResources.filter((one) => fits(`${one.name} ${one.destination} ${one.alias ?? ''}`));
  const count = data ? data.resources.length + data.siteResources.length : 0;
  return (
    <>
      <PageHeader title={t.title} description={t.intro(name)} />
      {error && !data && <Failure error={error} retry={refetch} />}
      {!data && !error && <Skeleton h={160} />}
      {data && count === 0 && (
        <EmptyState icon={<IconLock />} title={t.empty.title} description={t.empty.description} />
      )}
      <Stack>
        {count > SEARCHABLE && (
          <TextInput
            maw={420}
            leftSection={<IconSearch size={16} />}
            placeholder={t.search}
            aria-label={t.search}
            value={wanted}
            onChange={({ currentTarget }) => setWanted(currentTarget.value)}
          />
        )}
        {count > 0 && resources?.length === 0 && privates?.length === 0 && <Text c="dimmed">{t.noMatch}</Text>}
        {resources && resources.length > 0 && (
          <section aria-label={t.public.list}>
            <Title order={2} mb="sm">
              {t.public.title}
            </Title>
            <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }}>
              {resources.map(({ resourceId, name, domain, enabled, protected: isProtected }) => (
                <Card key={resourceId} withBorder p="md">
                  <Stack gap={6}>
                    {domain && enabled ? (
                      <Anchor
                        href={`https://${domain}`}
                        target="_blank"
                        rel="noreferrer"
                        fw={600}
                        aria-label={t.open(name)}
                        style={{ overflowWrap: 'anywhere' }}
                      >
                        {name} <IconExternalLink size={14} />
                      </Anchor>
                    ) : (
                      <Text fw={600} style={{ overflowWrap: 'anywhere' }}>
                        {name}
                      </Text>
                    )}
                    {domain && (
                      <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
                        {domain}
                      </Text>
                    )}
                    <Group gap={4}>
                      {!enabled && <Tag text={t.disabled} />}
                      {isProtected && <Tag text={t.needsLogin} />}
                    </Group>
                  </Stack>
                </Card>
              ))}
            </SimpleGrid>
          </section>
        )}
        {privates && privates.length > 0 && (
          <section aria-label={t.private.list}>
            <Title order={2} mb="sm">
              {t.private.title}
            </Title>
            <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }}>
              {privates.map(({ siteResourceId, name, destination, alias, enabled }) => (
                <Card key={siteResourceId} withBorder p="md">
                  <Stack gap={6}>
                    <Text fw={600} style={{ overflowWrap: 'anywhere' }}>
                      {name}
                    </Text>
                    <CopyId id={alias ?? destination} what={name} />
                    {!enabled && <Tag text={t.disabled} />}
                  </Stack>
                </Card>
              ))}
            </SimpleGrid>
          </section>
        )}
      </Stack>
    </>
  );
}

const Tag = ({ text }: { text: string }) => (
  <Badge variant="default" tt="none" fw={400}>
    {text}
  </Badge>
);

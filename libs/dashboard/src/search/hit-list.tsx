import { Card, Group, Skeleton, Stack, Text, Title } from '@mantine/core';
import { t } from '@texts/search';
import { PageLink } from '@/kit/page-link';
import { useOrganizations } from '@/orgs/queries';
import { KINDS, placeOf, useHits } from './hits';

/** What a text finds in all of one's organizations, kind by kind. */
export function HitList({ text }: { text: string }) {
  const hits = useHits(text);
  const organizations = useOrganizations();
  const nameOf = (orgId: string): string => organizations?.find((one) => one.orgId === orgId)?.name ?? orgId;
  return (
    <section aria-labelledby="hits">
      <Title order={2} mb="sm" id="hits">
        {t.found(text.trim())}
      </Title>
      <Card withBorder aria-live="polite" aria-busy={hits === undefined}>
        <Stack>
          {hits === undefined && <Skeleton h={40} />}
          {hits?.length === 0 && <Text c="dimmed">{t.nothing}</Text>}
          {KINDS.map((kind) => {
            const found = hits?.filter((hit) => hit.kind === kind) ?? [];
            return (
              found.length > 0 && (
                <div key={kind}>
                  <Title order={3} size="sm" mb={4}>
                    {t.kinds[kind]}
                  </Title>
                  {found.map((hit) => (
                    <Group key={`${hit.orgId} ${hit.id}`} gap="sm">
                      <PageLink {...placeOf(hit)}>{hit.name}</PageLink>
                      <Text size="sm" c="dimmed">
                        {[hit.note, nameOf(hit.orgId)].filter(Boolean).join(' · ')}
                      </Text>
                    </Group>
                  ))}
                </div>
              )
            );
          })}
        </Stack>
      </Card>
    </section>
  );
}

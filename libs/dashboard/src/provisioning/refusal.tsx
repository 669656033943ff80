import { Stack, Text } from '@mantine/core';
import { t } from '@texts/claims';
import { PageLink } from '@/kit/page-link';

/** What a refusal is about, as far as it is known: where its next step can be taken. */
export interface About {
  org: string;
  reason: string;
  keyId?: string | null;
  templateId?: number | null;
  siteId?: number | null;
}

export const reasonOf = (reason: string): string => t.refusals[reason]?.label ?? reason;

/** What an operator can do about a refused claim, with the way there. */
export function NextStep({ org, reason, keyId, templateId, siteId }: About) {
  const refusal = t.refusals[reason];
  if (!refusal) return null;
  const { nextStep, at } = refusal;
  const link =
    at === 'key' && keyId ? (
      <PageLink to="/org/$org/provisioning/keys/$key" params={{ org, key: keyId }}>
        {t.places.key}
      </PageLink>
    ) : at === 'template' && templateId ? (
      <PageLink to="/org/$org/provisioning/templates/$template" params={{ org, template: String(templateId) }}>
        {t.places.template}
      </PageLink>
    ) : at === 'blocked' ? (
      <PageLink to="/org/$org/provisioning/blocked" params={{ org }}>
        {t.places.blocked}
      </PageLink>
    ) : at === 'site' && siteId ? (
      <PageLink to="/org/$org/sites/$site" params={{ org, site: String(siteId) }}>
        {t.places.site}
      </PageLink>
    ) : null;
  return (
    <Stack gap={0} align="flex-start">
      <Text size="sm">{nextStep}</Text>
      {link}
      {siteId && (
        <PageLink to="/org/$org/sites/$site/diagnosis" params={{ org, site: String(siteId) }}>
          {t.places.diagnosis}
        </PageLink>
      )}
    </Stack>
  );
}

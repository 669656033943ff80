import { Alert, List, Paper, SegmentedControl, Select, SimpleGrid, Stack, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useSuspenseQuery } from '@tanstack/react-query';
import { createFileRoute } from '@tanstack/react-router';
import { t } from '@texts/site';
import { useState } from 'react';
import { api } from '@/api/client';
import type { components } from '@/api/types';
import { ifMatch, newIdempotencyKey } from '@/api/versions';
import { confirmByName } from '@/kit/confirm';
import { ApiForm } from '@/kit/form';
import { PageLink } from '@/kit/page-link';
import { toastDone } from '@/kit/toasts';
import { useIsPhone } from '@/kit/use-is-phone';
import { type SiteView, siteQuery, sitesChanged } from '@/sites/queries';
import { SiteSelect } from '@/sites/site-select';

/** Another device goes on as this site. */
export const Route = createFileRoute('/_frame/org/$org/sites/$site/replace')({
  component: Replace,
  staticData: { action: 'revokeSite' },
});

const texts = t.replace;
type Body = components['schemas']['ReplaceSiteBody'];

function Replace() {
  const { org, site: id } = Route.useParams();
  const { data: site } = useSuspenseQuery(siteQuery(id));
  if (site.type !== 'newt') return <Alert variant="outline">{texts.noDevice(site.type)}</Alert>;
  return (
    <Stack>
      <div>
        <Title order={2}>{texts.title(site.name)}</Title>
        <Text size="sm" c="dimmed">
          {texts.intro}
        </Text>
      </div>
      <SimpleGrid cols={{ base: 1, md: 2 }} style={{ alignItems: 'start' }}>
        <Paper withBorder p="lg">
          <ReplaceForm org={org} site={site} />
        </Paper>
        <Stack>
          <Consequences title={texts.stays} lines={texts.staying} />
          <Consequences title={texts.goes} lines={texts.going} />
        </Stack>
      </SimpleGrid>
    </Stack>
  );
}

function Consequences({ title, lines }: { title: string; lines: readonly string[] }) {
  return (
    <div>
      <Title order={3} size="h4" mb={4}>
        {title}
      </Title>
      <List size="sm">
        {lines.map((line) => (
          <List.Item key={line}>{line}</List.Item>
        ))}
      </List>
    </div>
  );
}

const WAYS = ['bySite', 'byHardwareId'] as const;
type Way = (typeof WAYS)[number];
const DAY = '86400';

function ReplaceForm({ org, site }: { org: string; site: SiteView }) {
  const navigate = Route.useNavigate();
  const isPhone = useIsPhone();
  const [way, setWay] = useState<Way>('bySite');
  const [key, setKey] = useState(newIdempotencyKey);
  const form = useForm({
    mode: 'uncontrolled',
    initialValues: { bySiteId: null as string | null, hardwareId: '', expiresInSeconds: DAY },
  });
  const replace = async (body: Body) => {
    const { data } = await api.POST('/site/{siteId}/replace', {
      params: {
        path: { siteId: String(site.siteId) },
        header: { ...ifMatch(site), 'Idempotency-Key': key },
      },
      body,
    });
    // What is asked for after this is another thing.
    setKey(newIdempotencyKey());
    await sitesChanged();
    return data!;
  };
  const submit = async ({ bySiteId, hardwareId, expiresInSeconds }: ReturnType<typeof form.getValues>) => {
    if (way === 'byHardwareId') {
      const prepared = await replace({ hardwareId, expiresInSeconds: Number(expiresInSeconds) });
      toastDone(prepared.state === 'waiting' ? texts.waiting(hardwareId) : texts.done(site.name));
      return;
    }
    if (bySiteId === null) {
      form.setFieldError('bySiteId', texts.chooseSite);
      return;
    }
    confirmByName({
      title: texts.confirmTitle(site.name),
      consequence: texts.consequence(site.name),
      name: site.name,
      confirmLabel: texts.confirm,
      onConfirm: async () => {
        // How long a claim is waited for goes with a hardware id only.
        await replace({ bySiteId: Number(bySiteId) } as Body);
        toastDone(texts.done(site.name));
        await navigate({ to: '/org/$org/sites/$site', params: { org, site: String(site.siteId) } });
      },
    });
  };
  return (
    <ApiForm
      form={form}
      submitLabel={way === 'bySite' ? texts.now : texts.prepare}
      onSubmit={submit}
      // It asks before, and its dialog has the line.
      withoutCurl={way === 'bySite'}
      beside={
        <PageLink dimmed to="/org/$org/sites/$site/settings" params={{ org, site: String(site.siteId) }}>
          {texts.back(site.name)}
        </PageLink>
      }
    >
      <SegmentedControl
        aria-label={texts.which}
        orientation={isPhone ? 'vertical' : 'horizontal'}
        data={WAYS.map((value) => ({ value, label: texts[value] }))}
        value={way}
        onChange={(value) => setWay(value as Way)}
      />
      <Text size="sm" c="dimmed">
        {way === 'bySite' ? texts.bySiteHint : texts.byHardwareIdHint}
      </Text>
      {way === 'bySite' ? (
        <SiteSelect key={form.key('bySiteId')} org={org} label={texts.site} {...form.getInputProps('bySiteId')} />
      ) : (
        <>
          <TextInput
            label={texts.hardwareId}
            spellCheck={false}
            autoComplete="off"
            key={form.key('hardwareId')}
            {...form.getInputProps('hardwareId')}
          />
          <Select
            label={texts.until}
            allowDeselect={false}
            data={Object.entries(texts.durations).map(([value, label]) => ({ value, label }))}
            key={form.key('expiresInSeconds')}
            {...form.getInputProps('expiresInSeconds')}
          />
        </>
      )}
    </ApiForm>
  );
}

import { Alert, Button, Group, List, Paper, Stack, Text, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { t } from '@texts/configuration';
import { useState } from 'react';
import { api } from '@/api/client';
import { ApiProblem } from '@/api/problem';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import { changesBetween, ifMatch } from '@/api/versions';
import { callOf } from '@/api/written';
import { CodeEditor, DocumentDiff } from '@/documents/code-editor';
import { ChangedMeanwhile } from '@/kit/changed-meanwhile';
import { CopyAsCurl } from '@/kit/copy';
import { formatNumber } from '@/kit/formats';
import { PageLink } from '@/kit/page-link';
import { toastDone } from '@/kit/toasts';
import { DocumentProblems, ROLLOUT, RolloutFields, type RolloutValues, rolloutOf } from './parts';
import { type Bootstrap, bootstrapChanged, bootstrapQuery } from './queries';

type Plan = components['schemas']['BootstrapPlan'];

const texts = t.startUp;

/**
 * The start-up document of a profile, as it is edited: what is wrong is said as one types, a dry run says what a save would do, and a save names
 * the revision that it began with.
 * @param read undefined where the profile has none yet
 */
export function StartUpEditor({
  orgId,
  profileId,
  read,
  readOnly,
}: {
  orgId: string;
  profileId: number;
  read: Bootstrap | undefined;
  readOnly: boolean;
}) {
  const [base, setBase] = useState(read);
  const [text, setText] = useState(read?.document ?? texts.example);
  const [plan, setPlan] = useState<{ of: string; plan: Plan }>();
  const [problem, setProblem] = useState<ApiProblem>();
  const [meanwhile, setMeanwhile] = useState<Bootstrap>();
  const [started, setStarted] = useState<number>();
  const [busy, setBusy] = useState<'plan' | 'save'>();
  const form = useForm<{ rollout: RolloutValues }>({ mode: 'uncontrolled', initialValues: { rollout: ROLLOUT } });
  const before = base?.document ?? '';
  const path = { orgId, profileId };

  // Nobody types here: what somebody else saved is shown at once.
  if (read && read.revision > (base?.revision ?? 0) && text === (base?.document ?? texts.example)) {
    setBase(read);
    setText(read.document);
    setPlan(undefined);
  }

  const attempt = async (what: 'plan' | 'save', call: () => Promise<unknown>) => {
    setBusy(what);
    setProblem(undefined);
    try {
      await call();
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      if (error.code === 'precondition_failed')
        setMeanwhile(await queryClient.fetchQuery({ ...bootstrapQuery(orgId, profileId), staleTime: 0 }));
      else if (error.code !== 'unauthenticated') setProblem(error);
    } finally {
      setBusy(undefined);
    }
  };
  const dryRun = () =>
    attempt('plan', async () => {
      const { data } = await api.PUT('/org/{orgId}/provisioning-profile/{profileId}/bootstrap', {
        params: { path, query: { dryRun: true } },
        body: { document: text },
      });
      setPlan({ of: text, plan: data as Plan });
    });
  const save = (against: Bootstrap | undefined) =>
    attempt('save', async () => {
      const { data } = await api.PUT('/org/{orgId}/provisioning-profile/{profileId}/bootstrap', {
        params: { path, header: against ? ifMatch(against) : {} },
        body: { document: text, rollout: rolloutOf(form.getValues().rollout) },
      });
      const saved = data as components['schemas']['SavedBootstrap'];
      toastDone(texts.saved(saved.revision));
      setMeanwhile(undefined);
      setPlan(undefined);
      setStarted(saved.rollout?.jobId);
      setBase(await queryClient.fetchQuery({ ...bootstrapQuery(orgId, profileId), staleTime: 0 }));
      await bootstrapChanged();
    });

  return (
    <Stack>
      {!base && <Text size="sm">{texts.noDocument}</Text>}
      <CodeEditor kind="bootstrap" label={texts.document} value={text} readOnly={readOnly} onChange={setText} />
      {problem && <DocumentProblems problem={problem} />}
      {meanwhile && (
        <>
          <ChangedMeanwhile
            changes={base ? changesBetween(base, meanwhile, ['revision', 'createdBy']) : []}
            labels={{ revision: texts.revisionColumns.revision, createdBy: texts.revisionColumns.createdBy }}
            onTakeTheirs={() => {
              setBase(meanwhile);
              setText(meanwhile.document);
              setMeanwhile(undefined);
            }}
            onSaveMine={() => void save(meanwhile)}
          />
          <Title order={2}>{texts.theirs}</Title>
          <DocumentDiff before={before} after={meanwhile.document} label={texts.theirs} />
        </>
      )}
      {!readOnly && (
        <Group justify="flex-end" gap="sm">
          <Button variant="default" loading={busy === 'plan'} onClick={() => void dryRun()}>
            {texts.plan}
          </Button>
          {text !== before && <CopyAsCurl call={() => callOf(() => save(base))} />}
          <Button loading={busy === 'save'} disabled={text === before} onClick={() => void save(base)}>
            {texts.save}
          </Button>
        </Group>
      )}
      {started !== undefined && (
        <PageLink to="/org/$org/configuration/rotations/$job" params={{ org: orgId, job: String(started) }}>
          {texts.toRollout}
        </PageLink>
      )}
      {plan && (
        <Paper withBorder p="lg" role="status">
          <Stack gap="sm">
            {plan.of !== text && <Text size="sm">{texts.planAgain}</Text>}
            <Text size="sm">{texts.reaches(formatNumber(plan.plan.sites.total), plan.plan.sites.total)}</Text>
            {plan.plan.warnings.length > 0 && (
              <Alert color="orange" variant="outline" title={texts.warnings}>
                <List size="sm">
                  {plan.plan.warnings.map(({ path: at, message, line }) => (
                    <List.Item key={`${line} ${at} ${message}`}>{at ? `${at}: ${message}` : message}</List.Item>
                  ))}
                </List>
              </Alert>
            )}
            <Title order={2}>{texts.diff}</Title>
            {plan.of === before ? (
              <Text size="sm">{texts.same}</Text>
            ) : (
              <DocumentDiff before={before} after={plan.of} label={texts.diff} />
            )}
          </Stack>
        </Paper>
      )}
      {!readOnly && (
        <Paper withBorder p="lg" maw={520}>
          <Title order={2} mb="sm">
            {t.rollout.title}
          </Title>
          <Stack gap="sm">
            <RolloutFields form={form} />
          </Stack>
        </Paper>
      )}
    </Stack>
  );
}

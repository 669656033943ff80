import { Badge, Button, Group, List, Paper, Stack, Text, TextInput, Title } from '@mantine/core';
import { t as texts } from '@texts/blueprints';
import { useState } from 'react';
import { api } from '@/api/client';
import { ApiProblem } from '@/api/problem';
import { queryClient } from '@/api/query-client';
import type { components } from '@/api/types';
import { newIdempotencyKey } from '@/api/versions';
import { callOf } from '@/api/written';
import { DocumentProblems } from '@/configuration/parts';
import { CodeEditor, DocumentDiff } from '@/documents/code-editor';
import { CopyAsCurl } from '@/kit/copy';
import { formatNumber } from '@/kit/formats';
import { toastDone, toastProblem } from '@/kit/toasts';
import { resourcesChanged } from './queries';

type Plan = components['schemas']['PlanView'];
type Applied = components['schemas']['BlueprintRecord'];

/** As the API takes a document that comes alone: base64 of UTF-8. */
function base64Of(text: string): string {
  let binary = '';
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/**
 * A blueprint as it is written: what is wrong is said as one types, a plan says what applying would do, and what is applied becomes an entry of
 * the history.
 * @param before what it is compared with
 * @param onApplied goes to the entry
 */
export function BlueprintEditor({
  org,
  before,
  initial,
  name: known = '',
  mayApply,
  readOnly,
  onApplied,
}: {
  org: string;
  before?: string;
  initial: string;
  name?: string;
  mayApply: boolean;
  readOnly: boolean;
  onApplied: (blueprintId: number) => void;
}) {
  const [text, setText] = useState(initial);
  const [name, setName] = useState(known);
  const [plan, setPlan] = useState<{ of: string; plan: Plan }>();
  const [problem, setProblem] = useState<ApiProblem>();
  const [busy, setBusy] = useState<'plan' | 'apply'>();
  const [idempotencyKey, renewKey] = useState(newIdempotencyKey);

  const attempt = async (what: 'plan' | 'apply', call: () => Promise<unknown>) => {
    setBusy(what);
    setProblem(undefined);
    try {
      await call();
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      if (error.code !== 'unauthenticated') setProblem(error);
    } finally {
      setBusy(undefined);
    }
  };
  const makePlan = () =>
    attempt('plan', async () => {
      setPlan(undefined);
      const { data } = await api.PUT('/org/{orgId}/blueprint', {
        params: { path: { orgId: org }, query: { dryRun: true } },
        body: { blueprint: base64Of(text) },
      });
      setPlan({ of: text, plan: data as Plan });
    });
  const apply = () =>
    attempt('apply', async () => {
      const { data } = await api.PUT('/org/{orgId}/blueprint', {
        params: { path: { orgId: org }, header: { 'Idempotency-Key': idempotencyKey } },
        // With its source it is sent as text, and answered with its entry.
        body: { blueprint: text, source: 'UI', ...(name ? { name } : {}) },
      });
      const record = data as Applied;
      renewKey(newIdempotencyKey());
      setPlan(undefined);
      if (record.succeeded) toastDone(texts.applied);
      else toastProblem(new Error(record.message || texts.refused));
      await Promise.all([
        resourcesChanged(),
        queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/blueprints'] }),
        queryClient.invalidateQueries({ queryKey: ['get', '/org/{orgId}/site-resources'] }),
      ]);
      onApplied(record.blueprintId);
    });
  const canApply = plan !== undefined && plan.of === text;

  return (
    <Stack>
      {mayApply && !readOnly && (
        <TextInput
          label={texts.name}
          description={texts.nameHint}
          maw={520}
          value={name}
          autoComplete="off"
          onChange={({ currentTarget }) => setName(currentTarget.value)}
        />
      )}
      <CodeEditor
        kind="blueprint"
        label={texts.document}
        value={text}
        readOnly={readOnly || !mayApply}
        onChange={setText}
      />
      {problem && <DocumentProblems problem={problem} />}
      {mayApply && !readOnly && (
        <Group justify="flex-end" gap="sm">
          <Text size="sm" c="dimmed">
            {plan && !canApply ? texts.changedSince : texts.planHint}
          </Text>
          <Button variant={canApply ? 'default' : 'filled'} loading={busy === 'plan'} onClick={() => void makePlan()}>
            {texts.plan}
          </Button>
          {canApply && <CopyAsCurl call={() => callOf(apply)} />}
          <Button disabled={!canApply} loading={busy === 'apply'} onClick={() => void apply()}>
            {texts.apply}
          </Button>
        </Group>
      )}
      {plan && <PlanOf plan={plan.plan} />}
      {before !== undefined && before !== text && (
        <section>
          <Title order={2} mb="sm">
            {texts.diff}
          </Title>
          <DocumentDiff before={before} after={text} label={texts.diff} />
        </section>
      )}
    </Stack>
  );
}

const SIGNS = { create: '+', update: '~', delete: '−' } as const;
const COLORS = { create: 'teal', update: 'gate', delete: 'red' } as const;

/** What applying would do, as a list of what is made, changed and deleted. */
function PlanOf({ plan: { changes, drift } }: { plan: Plan }) {
  return (
    <Paper withBorder p="lg" role="status" aria-label={texts.plan}>
      <Stack gap="sm">
        <Text size="sm">{changes.length === 0 ? texts.noChanges : texts.changes(formatNumber(changes.length))}</Text>
        {changes.length > 0 && (
          <List listStyleType="none" spacing={6} aria-label={texts.plan}>
            {changes.map(({ action, type, key, fields }) => (
              <List.Item key={`${action} ${type} ${key}`}>
                <Group gap="xs">
                  <Badge variant="outline" color={COLORS[action]} tt="none" fw={500}>
                    {SIGNS[action]} {texts.actions[action]}
                  </Badge>
                  <Text size="sm" component="span">
                    {texts.kinds[type]}{' '}
                    <Text span inherit ff="monospace">
                      {key}
                    </Text>
                  </Text>
                  {action === 'update' && fields.length > 0 && (
                    <Text size="sm" c="dimmed" component="span">
                      {fields.join(', ')}
                    </Text>
                  )}
                </Group>
              </List.Item>
            ))}
          </List>
        )}
        {drift.length > 0 && (
          <>
            <Text size="sm" fw={500}>
              {texts.drift}
            </Text>
            <List size="sm">
              {drift.map(({ key, field }) => (
                <List.Item key={`${key} ${field}`}>{texts.driftField(key, field)}</List.Item>
              ))}
            </List>
          </>
        )}
      </Stack>
    </Paper>
  );
}

import { Alert, List, NumberInput } from '@mantine/core';
import type { UseFormReturnType } from '@mantine/form';
import { IconAlertCircle } from '@tabler/icons-react';
import { t } from '@texts/configuration';
import type { ApiProblem } from '@/api/problem';
import { StateDot } from '@/kit/state-dot';
import type { BundleState } from './queries';

const BUNDLE_COLORS: Record<BundleState, string> = {
  failed: 'red.6',
  offered: 'gate.5',
  fetched: 'gate.5',
  applied: 'teal.6',
};

/** A state as a dot and a word: never by colour alone. */
export function BundleBadge({ state }: { state: BundleState }) {
  return <StateDot color={BUNDLE_COLORS[state]} {...t.bundleStates[state]} />;
}

/** What the API found wrong with a document, each with its place. */
export function DocumentProblems({ problem }: { problem: ApiProblem }) {
  return (
    <Alert color="red" variant="outline" icon={<IconAlertCircle />} title={t.problems} role="alert">
      {problem.fields.length === 0 ? (
        problem.message
      ) : (
        <List size="sm">
          {problem.fields.map(({ path, problem: text }) => (
            <List.Item key={`${path} ${text}`}>{text.startsWith(path) ? text : `${path}: ${text}`}</List.Item>
          ))}
        </List>
      )}
    </Alert>
  );
}

export interface RolloutValues {
  canary: number | '';
  perMinute: number | '';
  stopAtFailurePercent: number | '';
}

/** What the API takes by itself where nothing is said. */
const DEFAULTS = { canary: 1, stopAtFailurePercent: 5 };
export const ROLLOUT: RolloutValues = { ...DEFAULTS, perMinute: '' };

/** What was left empty is as the API takes it by itself. */
export const rolloutOf = ({ canary, perMinute, stopAtFailurePercent }: RolloutValues) => ({
  canary: canary === '' ? DEFAULTS.canary : canary,
  ...(perMinute === '' ? {} : { perMinute }),
  stopAtFailurePercent: stopAtFailurePercent === '' ? DEFAULTS.stopAtFailurePercent : stopAtFailurePercent,
});

/** How a change goes to its sites: some first, then so many a minute. */
export function RolloutFields<V extends { rollout: RolloutValues }>({ form }: { form: UseFormReturnType<V> }) {
  return (
    <>
      <NumberInput
        label={t.rollout.canary}
        allowDecimal={false}
        allowNegative={false}
        key={form.key('rollout.canary')}
        {...form.getInputProps('rollout.canary')}
      />
      <NumberInput
        label={t.rollout.perMinute}
        placeholder={t.rollout.ofOneTenth}
        allowDecimal={false}
        allowNegative={false}
        key={form.key('rollout.perMinute')}
        {...form.getInputProps('rollout.perMinute')}
      />
      <NumberInput
        label={t.rollout.stopAtFailurePercent}
        allowNegative={false}
        max={100}
        key={form.key('rollout.stopAtFailurePercent')}
        {...form.getInputProps('rollout.stopAtFailurePercent')}
      />
    </>
  );
}

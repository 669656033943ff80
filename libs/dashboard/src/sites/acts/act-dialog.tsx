import {
  Alert,
  Button,
  Checkbox,
  Group,
  List,
  NumberInput,
  SegmentedControl,
  Skeleton,
  Stack,
  Text,
  TextInput,
} from '@mantine/core';
import { useForm } from '@mantine/form';
import { IconAlertCircle } from '@tabler/icons-react';
import { t as common } from '@texts/common';
import { t } from '@texts/site-acts';
import { useCallback, useEffect, useState } from 'react';
import { api } from '@/api/client';
import { ApiProblem } from '@/api/problem';
import { newIdempotencyKey } from '@/api/versions';
import { callOf } from '@/api/written';
import { CopyAsCurl } from '@/kit/copy';
import { ApiForm } from '@/kit/form';
import { formatNumber } from '@/kit/formats';
import { sitesChanged } from '../queries';
import { ActField, askedOf, type Given, given } from './act-field';
import { type Act, type ActBody, type Chosen, foresee, meant, type Preview } from './acts';

interface ActDialogProps {
  org: string;
  act: Act;
  chosen: Chosen;
  onClose: () => void;
  onStarted: (jobId: number) => void;
  /** What can be undone, for who may do that. */
  gentler: Act | undefined;
  /** It was taken in place of what cannot be undone. */
  onGentler: (act: Act) => void;
}

/** Asks what an act needs, says what it would do, and then begins it. */
export function ActDialog({ act: first, ...props }: ActDialogProps) {
  // The gentler one may be taken in its place.
  const [act, setAct] = useState(first);
  return (
    <Stack>
      <Text size="sm">{t.meanings[act.name]}</Text>
      {act.field ? (
        <AskedFirst act={act} field={act.field} {...props} />
      ) : (
        <ForeseenAtOnce
          key={act.name}
          act={act}
          {...props}
          onGentler={(gentler) => {
            setAct(gentler);
            props.onGentler(gentler);
          }}
        />
      )}
    </Stack>
  );
}

/** Labels, groups, a profile: what is wrong with them stands at their field. */
function AskedFirst({ field, ...props }: ActDialogProps & { field: NonNullable<Act['field']> }) {
  const { org, act, chosen, onClose } = props;
  const [foreseen, setForeseen] = useState<{ body: ActBody; preview: Preview }>();
  const form = useForm<Given>({ mode: 'uncontrolled', initialValues: given });
  if (foreseen) return <Foreseen {...props} {...foreseen} onBack={() => setForeseen(undefined)} />;
  return (
    <ApiForm
      form={form}
      submitLabel={t.foresee}
      onSubmit={async (values) => {
        const body = { ...(await meant(org, chosen)), action: act.name, ...askedOf(field, values) };
        setForeseen({ body, preview: await foresee(org, body) });
      }}
      beside={
        <Button variant="subtle" color="gray" onClick={onClose}>
          {common.cancel}
        </Button>
      }
    >
      <ActField org={org} field={field} form={form} />
    </ApiForm>
  );
}

/** What needs nothing more is foreseen as soon as it is asked for. */
function ForeseenAtOnce(props: ActDialogProps) {
  const { org, act, chosen } = props;
  const [foreseen, setForeseen] = useState<{ body: ActBody; preview: Preview }>();
  const [problem, setProblem] = useState<string>();
  const ask = useCallback(async () => {
    const body = { ...(await meant(org, chosen)), action: act.name };
    return { body, preview: await foresee(org, body) };
  }, [org, act, chosen]);
  useEffect(() => {
    let isOpen = true;
    ask().then(
      (answer) => isOpen && setForeseen(answer),
      (error: Error) => isOpen && setProblem(error.message),
    );
    return () => {
      isOpen = false;
    };
  }, [ask]);
  if (problem) return <Problem text={problem} />;
  if (!foreseen) return <Skeleton h={120} />;
  return <Foreseen {...props} {...foreseen} />;
}

const Problem = ({ text }: { text: string }) => (
  <Alert color="red" variant="outline" icon={<IconAlertCircle />} role="alert">
    {text}
  </Alert>
);

const DURATIONS = Object.entries(t.durations).map(([value, label]) => ({ value, label }));

function Foreseen({
  org,
  act,
  body,
  preview,
  onClose,
  onStarted,
  onBack,
  gentler,
  onGentler,
}: ActDialogProps & { body: ActBody; preview: Preview; onBack?: () => void }) {
  const [options, setOptions] = useState<Partial<ActBody>>({});
  const [typed, setTyped] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  // One intention, however often its button is pressed.
  const [key] = useState(newIdempotencyKey);
  const { sites } = preview.touches;
  const number = formatNumber(sites);
  const has = (option: NonNullable<Act['options']>[number]) => act.options?.includes(option) ?? false;
  const send = () =>
    api.POST('/org/{orgId}/site-actions', {
      params: { path: { orgId: org }, header: { 'Idempotency-Key': key } },
      body: { ...body, ...options },
    });
  const start = async () => {
    setBusy(true);
    setProblem(undefined);
    try {
      const { data } = await send();
      void sitesChanged();
      if (data && 'jobId' in data) onStarted(data.jobId);
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      setProblem(error.message);
      setBusy(false);
    }
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void start();
      }}
    >
      <Stack>
        <PreviewText preview={preview} />
        {has('note') && (
          <TextInput
            label={t.fields.note}
            description={t.fields.noteHint}
            maxLength={2000}
            onChange={({ currentTarget }) => setOptions({ ...options, note: currentTarget.value || undefined })}
          />
        )}
        {has('tombstone') && (
          <Checkbox
            label={t.fields.tombstone}
            defaultChecked
            onChange={({ currentTarget }) => setOptions({ ...options, tombstone: currentTarget.checked })}
          />
        )}
        {has('expiresInSeconds') && (
          <div>
            <Text size="sm" fw={500} mb={4}>
              {t.fields.expiresInSeconds}
            </Text>
            <SegmentedControl
              aria-label={t.fields.expiresInSeconds}
              data={DURATIONS}
              defaultValue={DURATIONS[0]!.value}
              onChange={(value) => setOptions({ ...options, expiresInSeconds: Number(value) })}
            />
          </div>
        )}
        {has('pace') && (
          <NumberInput
            label={t.fields.pace}
            description={t.fields.paceHint}
            allowDecimal={false}
            allowNegative={false}
            min={1}
            max={1000}
            onChange={(value) => setOptions({ ...options, pace: typeof value === 'number' ? value : undefined })}
          />
        )}
        {act.isFinal && sites > 0 && (
          <TextInput
            data-autofocus
            label={common.confirmNumber(number)}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            autoComplete="off"
          />
        )}
        {problem && <Problem text={problem} />}
        <Group justify="space-between">
          <Group gap="sm">
            {act.isFinal && gentler && (
              <Button variant="default" onClick={() => onGentler(gentler)}>
                {t.gentler}
              </Button>
            )}
            {onBack && (
              <Button variant="default" onClick={onBack}>
                {t.back}
              </Button>
            )}
            <CopyAsCurl call={() => callOf(send)} />
          </Group>
          <Group gap="sm">
            <Button variant="subtle" color="gray" onClick={onClose}>
              {common.cancel}
            </Button>
            <Button
              type="submit"
              {...(act.isFinal ? { color: 'red.8' } : {})}
              loading={busy}
              disabled={sites === 0 || (act.isFinal && typed !== number && typed !== String(sites))}
            >
              {t.go(t.actions[act.name], number, sites)}
            </Button>
          </Group>
        </Group>
      </Stack>
    </form>
  );
}

function PreviewText({ preview: { touches, unchanged, refused, refusals } }: { preview: Preview }) {
  const counted = (text: (count: string, n: number) => string, n: number) => text(formatNumber(n), n);
  return (
    <Stack gap={4} role="status">
      <Text fw={600}>{touches.sites === 0 ? t.foreseen.none : counted(t.foreseen.changes, touches.sites)}</Text>
      {unchanged > 0 && <Text size="sm">{counted(t.foreseen.unchanged, unchanged)}</Text>}
      {touches.connected > 0 && <Text size="sm">{counted(t.foreseen.connected, touches.connected)}</Text>}
      {touches.resources > 0 && <Text size="sm">{counted(t.foreseen.resources, touches.resources)}</Text>}
      {refused > 0 && (
        <>
          <Text size="sm">{counted(t.foreseen.refused, refused)}</Text>
          <List size="sm">
            {refusals.map(({ outcome, message, sites }) => (
              <List.Item key={`${outcome} ${message}`}>
                {t.foreseen.refusal(message, formatNumber(sites), sites)}
              </List.Item>
            ))}
          </List>
        </>
      )}
    </Stack>
  );
}

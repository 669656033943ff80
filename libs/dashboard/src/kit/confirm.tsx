import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { modals } from '@mantine/modals';
import { t } from '@texts/common';
import { type ReactNode, useState } from 'react';
import { ApiProblem } from '@/api/problem';
import { callOf } from '@/api/written';
import { CopyAsCurl } from './copy';

export interface Confirmation {
  title: string;
  /** What will be gone, and what will not come back. */
  consequence: ReactNode;
  /** What is to be typed: a name, or of many things their number. Without one it is only asked. */
  name?: string;
  isNumber?: boolean;
  confirmLabel: string;
  onConfirm: () => Promise<unknown>;
  /** Whether something is gone afterwards [what asks for a name]. */
  isGrave?: boolean;
  /** No API key can do it. */
  withoutCurl?: boolean;
  /** What can be undone, offered first: suspend before revoke. */
  gentler?: { label: string; onChoose: () => unknown };
}

/** Asks before what cannot be undone: the name is to be typed. */
export const confirmByName = (confirmation: Confirmation & { name: string }): void => confirm(confirmation);

/** Says what will happen, and asks. */
export function confirm(confirmation: Confirmation): void {
  const id = modals.open({
    title: confirmation.title,
    children: <Confirm {...confirmation} onClose={() => modals.close(id)} />,
  });
}

function Confirm({
  consequence,
  name,
  isNumber,
  isGrave = name !== undefined,
  confirmLabel,
  onConfirm,
  withoutCurl,
  gentler,
  onClose,
}: Confirmation & { onClose: () => void }) {
  const [typed, setTyped] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const isTyped = name === undefined || typed === name;
  const act = async () => {
    setBusy(true);
    try {
      await onConfirm();
      onClose();
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
        if (isTyped) void act();
      }}
    >
      <Stack>
        <Text size="sm" component="div">
          {consequence}
        </Text>
        {name !== undefined && (
          <TextInput
            data-autofocus
            label={isNumber ? t.confirmNumber(name) : t.confirmByName(name)}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            autoComplete="off"
            spellCheck={false}
          />
        )}
        {problem && (
          <Text size="sm" c="var(--mantine-color-error)" role="alert">
            {problem}
          </Text>
        )}
        <Group justify="space-between">
          {gentler ? (
            <Button
              variant="default"
              onClick={() => {
                onClose();
                gentler.onChoose();
              }}
            >
              {gentler.label}
            </Button>
          ) : withoutCurl ? (
            <span />
          ) : (
            <CopyAsCurl call={() => callOf(onConfirm)} />
          )}
          <Group gap="sm">
            {gentler && <CopyAsCurl call={() => callOf(onConfirm)} isIcon />}
            <Button variant="subtle" color="gray" onClick={onClose}>
              {t.cancel}
            </Button>
            <Button {...(isGrave ? { color: 'red.8' } : {})} type="submit" disabled={!isTyped} loading={busy}>
              {confirmLabel}
            </Button>
          </Group>
        </Group>
      </Stack>
    </form>
  );
}

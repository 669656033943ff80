import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { modals } from '@mantine/modals';
import { t } from '@texts/common';
import { type ReactNode, useState } from 'react';
import { ApiProblem } from '@/api/problem';

export interface Confirmation {
  title: string;
  /** What will be gone, and what will not come back. */
  consequence: ReactNode;
  /** What is to be typed: a name, or of many things their number. */
  name: string;
  isNumber?: boolean;
  confirmLabel: string;
  onConfirm: () => Promise<unknown>;
  /** What can be undone, offered first: suspend before revoke. */
  gentler?: { label: string; onChoose: () => unknown };
}

/** Asks before what cannot be undone: the name is to be typed. */
export function confirmByName(confirmation: Confirmation): void {
  const id = modals.open({
    title: confirmation.title,
    children: <ConfirmByName {...confirmation} onClose={() => modals.close(id)} />,
  });
}

function ConfirmByName({
  consequence,
  name,
  isNumber,
  confirmLabel,
  onConfirm,
  gentler,
  onClose,
}: Confirmation & { onClose: () => void }) {
  const [typed, setTyped] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const confirm = async () => {
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
        if (typed === name) void confirm();
      }}
    >
      <Stack>
        <Text size="sm" component="div">
          {consequence}
        </Text>
        <TextInput
          data-autofocus
          label={isNumber ? t.confirmNumber(name) : t.confirmByName(name)}
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
          error={problem}
          autoComplete="off"
          spellCheck={false}
        />
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
          ) : (
            <span />
          )}
          <Group gap="sm">
            <Button variant="subtle" color="gray" onClick={onClose}>
              {t.cancel}
            </Button>
            <Button color="red.8" type="submit" disabled={typed !== name} loading={busy}>
              {confirmLabel}
            </Button>
          </Group>
        </Group>
      </Stack>
    </form>
  );
}

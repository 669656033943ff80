import { Button, Group, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { t } from '@texts/common';
import { ApiProblem } from '@/api/problem';
import { lastCall } from '@/api/written';
import { CopyAsCurl } from './copy';

const UNDO_MS = 10_000;

/** Says what changed, and where, right after the call that changed it. It is copied as curl here; what can be undone has its button for ten seconds. */
export function toastDone(message: string, undo?: () => unknown): void {
  const call = lastCall();
  const id = notifications.show({
    color: 'teal',
    autoClose: undo ? UNDO_MS : 4000,
    withCloseButton: true,
    message: (
      <Group justify="space-between" wrap="nowrap">
        <Text size="sm">{message}</Text>
        {call && <CopyAsCurl call={call} isIcon />}
        {undo && (
          <Button
            size="compact-sm"
            variant="subtle"
            onClick={() => {
              notifications.hide(id);
              void Promise.resolve(undo()).catch(toastProblem);
            }}
          >
            {t.undo}
          </Button>
        )}
      </Group>
    ),
  });
}

/** A refusal that belongs to no field: of a button, of an undo. */
export function toastProblem(error: unknown): void {
  if (error instanceof ApiProblem && error.code === 'unauthenticated') return;
  const message = error instanceof Error ? error.message : String(error);
  notifications.show({ color: 'red', autoClose: 10_000, withCloseButton: true, message });
}

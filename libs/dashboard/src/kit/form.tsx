import { Alert, Button, Group, Stack } from '@mantine/core';
import type { UseFormReturnType } from '@mantine/form';
import { IconAlertCircle } from '@tabler/icons-react';
import { type ReactNode, useState } from 'react';
import { ApiProblem } from '@/api/problem';
import { callOf } from '@/api/written';
import { CopyAsCurl } from './copy';

/**
 * Puts what the API refused to the fields that it named. A field is found by its name in the form, else by the beginning of its path
 * (`labels` for `labels.model`). @returns what belongs to no field of the form: to be shown above its button
 */
export function applyProblems<T extends object>(form: UseFormReturnType<T>, problem: ApiProblem): string | undefined {
  const values = form.getValues();
  const errors: Record<string, string> = {};
  const rest: string[] = [];
  for (const { path, problem: text } of problem.fields) {
    const field = fieldOf(values, path);
    // The API names the field in its sentence too; here it stands below the field.
    const said = text.startsWith(`${path} `) ? text.slice(path.length + 1) : text;
    if (field === undefined) rest.push(`${path} ${said}`);
    else errors[field] ??= said.charAt(0).toUpperCase() + said.slice(1);
  }
  form.setErrors(errors);
  if (problem.fields.length === 0) return problem.message;
  return rest.length > 0 ? rest.join('; ') : undefined;
}

/** `rules[2].value` is `rules.2.value` to a form; the longest part of it that the form has is the field. */
function fieldOf(values: object, path: string): string | undefined {
  const steps = path.replaceAll(/\[(\d+)\]/g, '.$1').split('.');
  let at: unknown = values;
  const found: string[] = [];
  for (const step of steps) {
    if (typeof at !== 'object' || at === null || !(step in at)) break;
    const within = (at as Record<string, unknown>)[step];
    // Texts in a list are one field.
    if (Array.isArray(at) && typeof within !== 'object') break;
    found.push(step);
    at = within;
  }
  return found.length > 0 ? found.join('.') : undefined;
}

interface ApiFormProps<T extends object> {
  form: UseFormReturnType<T>;
  /** Calls the API. What it throws as an `ApiProblem` is shown at its fields, and the form stays as it was typed. */
  onSubmit: (values: T) => Promise<unknown>;
  submitLabel: string;
  children: ReactNode;
  /** Beside the button: cancel. */
  beside?: ReactNode;
  disabled?: boolean;
  /** Where an API key is of no use, as for one's own password. */
  withoutCurl?: boolean;
  /** Takes what the form cannot say itself (412). @returns true when it was taken */
  onProblem?: (problem: ApiProblem) => boolean;
}

/** A form whose refusals stand at their fields. */
export function ApiForm<T extends object>({
  form,
  onSubmit,
  submitLabel,
  children,
  beside,
  disabled,
  withoutCurl,
  onProblem,
}: ApiFormProps<T>) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const submit = async (values: T) => {
    setBusy(true);
    setProblem(undefined);
    try {
      await onSubmit(values);
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      // The session is asked for in a dialog; what was typed stays, and is sent by the same button.
      if (!onProblem?.(error) && error.code !== 'unauthenticated') {
        setProblem(applyProblems(form, error));
        const first = Object.keys(form.errors)[0];
        if (first) form.getInputNode(first)?.focus();
      }
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={form.onSubmit((values) => void submit(values as T))} noValidate>
      <Stack>
        {children}
        {problem && (
          <Alert color="red" variant="outline" icon={<IconAlertCircle />} role="alert">
            {problem}
          </Alert>
        )}
        <Group justify="flex-end" gap="sm">
          {!withoutCurl && !disabled && <CopyAsCurl call={() => callOf(() => onSubmit(form.getValues()))} />}
          {beside}
          <Button type="submit" loading={busy} disabled={disabled}>
            {submitLabel}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

import { Fieldset, Stack } from '@mantine/core';
import { type UseFormReturnType, useForm } from '@mantine/form';
import { t } from '@texts/common';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { isProblem } from '@/api/problem';
import type { Versioned } from '@/api/types';
import { changesBetween, ifMatch } from '@/api/versions';
import { ChangedMeanwhile } from './changed-meanwhile';
import { ApiForm } from './form';
import { toastProblem } from './toasts';
import classes from './versioned-form.module.css';

const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

/**
 * A form over something that others edit too. It keeps the version at which the editing began, whatever is read meanwhile; only what was
 * changed here is sent. After a 412 it shows what somebody else changed, and what was typed stays.
 * @param valuesOf what of it the form holds
 * @param save sends what was changed, with the headers that name the version
 * @param readAgain what it is now
 */
export function VersionedForm<T extends Versioned, V extends object>({
  read,
  valuesOf,
  labels,
  save,
  readAgain,
  readOnly,
  children,
}: {
  read: T;
  valuesOf: (read: T) => V;
  /** Names of the fields as the form writes them. */
  labels: Record<keyof V & string, string>;
  save: (changed: Partial<V>, header: Record<string, string>) => Promise<unknown>;
  readAgain: () => Promise<T>;
  readOnly?: boolean;
  children: (form: UseFormReturnType<V>) => ReactNode;
}) {
  const [base, setBase] = useState(read);
  const [meanwhile, setMeanwhile] = useState<T>();
  const form = useForm<V>({ mode: 'uncontrolled', initialValues: valuesOf(read) });
  const take = (now: T) => {
    setBase(now);
    setMeanwhile(undefined);
    form.setInitialValues(valuesOf(now));
    form.reset();
  };
  const seen = useRef(read);
  useEffect(() => {
    if (seen.current === read) return;
    seen.current = read;
    // What this form does not show may change as it likes; what nobody types in shows what it is now.
    if (same(valuesOf(read), valuesOf(base))) setBase(read);
    else if (!form.isDirty()) take(read);
  });

  const send = async (values: V, against: T) => {
    const before = valuesOf(base);
    const names = Object.keys(before) as (keyof V)[];
    const changed = names.filter((name) => !same(values[name], before[name])).map((name) => [name, values[name]]);
    if (changed.length > 0) await save(Object.fromEntries(changed) as Partial<V>, ifMatch(against));
    take(await readAgain());
  };
  const wasChanged = (problem: unknown): boolean => {
    if (!isProblem(problem, 'precondition_failed')) return false;
    void readAgain().then(setMeanwhile).catch(toastProblem);
    return true;
  };
  const fields = (
    <Fieldset variant="unstyled" m={0} disabled={readOnly} className={classes.fields}>
      <Stack gap="sm">{children(form)}</Stack>
    </Fieldset>
  );
  // What one may not do is not offered.
  if (readOnly) return fields;
  return (
    <ApiForm form={form} submitLabel={t.save} onProblem={wasChanged} onSubmit={(values) => send(values, base)}>
      {fields}
      {meanwhile && (
        <ChangedMeanwhile
          changes={changesBetween(valuesOf(base), valuesOf(meanwhile), Object.keys(labels) as (keyof V & string)[])}
          labels={labels}
          onTakeTheirs={() => take(meanwhile)}
          onSaveMine={() =>
            void send(form.getValues(), meanwhile).catch((problem: unknown) => {
              if (!wasChanged(problem)) toastProblem(problem);
            })
          }
        />
      )}
    </ApiForm>
  );
}

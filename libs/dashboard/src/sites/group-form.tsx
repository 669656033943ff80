import { Textarea, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { t } from '@texts/groups';
import { ApiForm } from '@/kit/form';

interface Values {
  name: string;
  description: string | null;
}

/** A group's name, and what people say of it. */
export function GroupForm({
  read,
  submitLabel,
  save,
}: {
  read?: Values;
  submitLabel: string;
  save: (values: Values) => Promise<unknown>;
}) {
  const form = useForm({
    mode: 'uncontrolled',
    initialValues: { name: read?.name ?? '', description: read?.description ?? '' },
  });
  return (
    <ApiForm
      form={form}
      submitLabel={submitLabel}
      onSubmit={({ name, description }) => save({ name, description: description || null })}
    >
      <TextInput data-autofocus label={t.columns.name} key={form.key('name')} {...form.getInputProps('name')} />
      <Textarea
        label={t.columns.description}
        autosize
        minRows={2}
        key={form.key('description')}
        {...form.getInputProps('description')}
      />
    </ApiForm>
  );
}

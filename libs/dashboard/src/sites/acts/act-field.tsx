import { MultiSelect, Select, TagsInput } from '@mantine/core';
import type { UseFormReturnType } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { t } from '@texts/site-acts';
import { useProfiles } from '@/configuration/queries';
import { labelsOf } from '../label-texts';
import { facetsQuery, useGroups } from '../queries';
import type { Act, ActBody } from './acts';

/** What the form of an act holds: of these one is asked for. */
export const given = { labels: [] as string[], labelKeys: [] as string[], groupIds: [] as string[], profileId: '' };
export type Given = typeof given;
type Field = NonNullable<Act['field']>;

export function askedOf(field: Field, values: Given): Partial<ActBody> {
  if (field === 'labels') return { labels: labelsOf(values.labels) };
  if (field === 'labelKeys') return { labelKeys: values.labelKeys };
  if (field === 'groupIds') return { groupIds: values.groupIds.map(Number) };
  return { profileId: values.profileId === NONE ? null : Number(values.profileId) || undefined };
}

const NONE = 'none';

/** The field of an act, with what there is to choose from. */
export function ActField({ org, field, form }: { org: string; field: Field; form: UseFormReturnType<Given> }) {
  const { data: facets } = useQuery(facetsQuery(org));
  const groups = useGroups(org);
  const profiles = useProfiles(org);
  const key = form.key(field);
  const props = form.getInputProps(field);
  if (field === 'labels')
    return (
      <TagsInput
        data-autofocus
        label={t.fields.labels}
        description={t.fields.labelsHint}
        data={facets?.labels.flatMap(({ key: name, values }) => values.map(({ value }) => `${name}=${value}`)) ?? []}
        acceptValueOnBlur
        key={key}
        {...props}
      />
    );
  if (field === 'labelKeys')
    return (
      <TagsInput
        data-autofocus
        label={t.fields.labelKeys}
        data={facets?.labels.map((label) => label.key) ?? []}
        acceptValueOnBlur
        key={key}
        {...props}
      />
    );
  if (field === 'groupIds')
    return (
      <MultiSelect
        data-autofocus
        label={t.fields.groupIds}
        searchable
        data={groups?.map(({ groupId, name }) => ({ value: String(groupId), label: name })) ?? []}
        key={key}
        {...props}
      />
    );
  return (
    <Select
      data-autofocus
      label={t.fields.profileId}
      searchable
      data={[
        { value: NONE, label: t.fields.noProfile },
        ...(profiles?.map(({ profileId, name }) => ({ value: String(profileId), label: name })) ?? []),
      ]}
      key={key}
      {...props}
    />
  );
}

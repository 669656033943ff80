import { NumberInput, SegmentedControl, Select, Switch, TextInput } from '@mantine/core';
import type { UseFormReturnType } from '@mantine/form';
import { t } from '@texts/resources';
import { type SiteOption, SitesSelect } from '@/sites/site-select';
import type { PrivateResource } from './queries';

export interface PrivateValues {
  name: string;
  mode: PrivateResource['mode'];
  destination: string;
  destinationPort: number | '';
  scheme: 'http' | 'https' | null;
  alias: string;
  siteIds: string[];
  tcpPortRangeString: string;
  udpPortRangeString: string;
  disableIcmp: boolean;
  enabled: boolean;
}

export const NEW_PRIVATE: PrivateValues = {
  name: '',
  mode: 'host',
  destination: '',
  destinationPort: '',
  scheme: null,
  alias: '',
  siteIds: [],
  tcpPortRangeString: '*',
  udpPortRangeString: '*',
  disableIcmp: false,
  enabled: true,
};

export const privateValuesOf = (resource: PrivateResource): PrivateValues => ({
  name: resource.name,
  mode: resource.mode,
  destination: resource.destination,
  destinationPort: resource.destinationPort ?? '',
  scheme: resource.scheme,
  alias: resource.alias ?? '',
  siteIds: resource.siteIds.map(String),
  tcpPortRangeString: resource.tcpPortRangeString,
  udpPortRangeString: resource.udpPortRangeString,
  disableIcmp: resource.disableIcmp,
  enabled: resource.enabled,
});

/** As the API takes it: what was left empty is null. */
export function privateBodyOf<V extends Partial<PrivateValues>>(values: V) {
  const { siteIds, destinationPort, alias, ...rest } = values as Partial<PrivateValues>;
  return {
    ...rest,
    ...(siteIds === undefined ? {} : { siteIds: siteIds.map(Number) }),
    ...(destinationPort === undefined ? {} : { destinationPort: destinationPort || null }),
    ...(alias === undefined ? {} : { alias: alias || null }),
  };
}

/** A new one, without what its kind has not. */
export function newPrivateBodyOf({ mode, alias, destinationPort, scheme, ...values }: PrivateValues) {
  const { name, destination, siteIds, tcpPortRangeString, udpPortRangeString, disableIcmp, enabled } = values;
  const all = { name, mode, destination, siteIds: siteIds.map(Number), enabled };
  if (mode === 'http') return { ...all, scheme: scheme ?? ('http' as const), destinationPort: destinationPort || null };
  return {
    ...all,
    tcpPortRangeString,
    udpPortRangeString,
    disableIcmp,
    ...(mode === 'host' ? { alias: alias || null } : {}),
  };
}

export function PrivateFields({
  org,
  known,
  form,
  mode,
  isNew,
}: {
  org: string;
  form: Pick<UseFormReturnType<PrivateValues>, 'key' | 'getInputProps'>;
  mode: PrivateResource['mode'];
  /** Sites that are chosen already, with their names. */
  known?: SiteOption[];
  /** Its kind is chosen once. */
  isNew?: boolean;
}) {
  const texts = t.private;
  const { labels } = texts;
  return (
    <>
      <TextInput label={labels.name} autoComplete="off" key={form.key('name')} {...form.getInputProps('name')} />
      {isNew && (
        <SegmentedControl
          aria-label={labels.mode}
          data={Object.entries(texts.modes).map(([value, label]) => ({ value, label }))}
          key={form.key('mode')}
          {...form.getInputProps('mode')}
        />
      )}
      <SitesSelect
        org={org}
        label={labels.siteIds}
        known={known}
        key={form.key('siteIds')}
        {...form.getInputProps('siteIds')}
      />
      <TextInput
        label={labels.destination}
        description={texts.destinationHint}
        spellCheck={false}
        key={form.key('destination')}
        {...form.getInputProps('destination')}
      />
      {mode === 'http' ? (
        <>
          <Select
            label={labels.scheme}
            allowDeselect={false}
            placeholder="http"
            data={['http', 'https']}
            key={form.key('scheme')}
            {...form.getInputProps('scheme')}
          />
          <NumberInput
            label={labels.destinationPort}
            allowDecimal={false}
            allowNegative={false}
            key={form.key('destinationPort')}
            {...form.getInputProps('destinationPort')}
          />
        </>
      ) : (
        <>
          {mode === 'host' && (
            <TextInput
              label={labels.alias}
              description={texts.aliasHint}
              spellCheck={false}
              key={form.key('alias')}
              {...form.getInputProps('alias')}
            />
          )}
          <TextInput
            label={labels.tcpPortRangeString}
            description={texts.portsHint}
            spellCheck={false}
            key={form.key('tcpPortRangeString')}
            {...form.getInputProps('tcpPortRangeString')}
          />
          <TextInput
            label={labels.udpPortRangeString}
            spellCheck={false}
            key={form.key('udpPortRangeString')}
            {...form.getInputProps('udpPortRangeString')}
          />
          <Switch
            label={labels.disableIcmp}
            key={form.key('disableIcmp')}
            {...form.getInputProps('disableIcmp', { type: 'checkbox' })}
          />
        </>
      )}
      <Switch
        label={labels.enabled}
        key={form.key('enabled')}
        {...form.getInputProps('enabled', { type: 'checkbox' })}
      />
    </>
  );
}

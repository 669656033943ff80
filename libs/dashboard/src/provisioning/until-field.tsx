import '@mantine/dates/styles.layer.css';
import { DateTimePicker, type DateTimePickerProps } from '@mantine/dates';
import { t } from '@texts/provisioning';
import dayjs from 'dayjs';

const FORMAT = 'YYYY-MM-DD HH:mm:ss';
const DAYS = { day: 1, week: 7, month: 30 } as const;

/** In so many days, as the field holds it: local time. */
export const inDays = (days: number): string => dayjs().add(days, 'day').second(0).format(FORMAT);

/** What the field holds, as the API takes it; null for none. */
export const instantOf = (local: string | null): string | null => (local ? dayjs(local).toISOString() : null);

export const localOf = (instant: string | null): string | null => (instant ? dayjs(instant).format(FORMAT) : null);

/** An instant in local time, or none. */
export function UntilField(props: DateTimePickerProps) {
  return (
    <DateTimePicker
      label={t.newKey.until}
      description={t.newKey.untilHint}
      valueFormat="YYYY-MM-DD HH:mm"
      placeholder={t.key.noEnd}
      clearable
      clearButtonProps={{ 'aria-label': t.key.noEnd }}
      minDate={new Date().toISOString()}
      presets={Object.entries(DAYS).map(([name, days]) => ({
        value: inDays(days),
        label: t.newKey.presets[name as keyof typeof DAYS],
      }))}
      {...props}
    />
  );
}

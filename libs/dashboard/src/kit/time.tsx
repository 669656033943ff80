import { Popover, Stack, Text, UnstyledButton } from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import { t } from '@texts/common';
import { useSyncExternalStore } from 'react';
import { CopyButton } from './copy';
import { formatAbsolute, formatRelative, ZONE_NAME } from './formats';

export type Zone = 'utc' | 'local';

/** The one switch between local time and UTC. */
export const useZone = () => useLocalStorage<Zone>({ key: 'gatehouse-zone', defaultValue: 'local' });

/** What a column of instants says behind its name: `Last seen (UTC)`. */
export function useZoneLabel(): string {
  const [zone] = useZone();
  return zone === 'utc' ? t.utc : ZONE_NAME;
}

const MINUTE = 60_000;
const ticks = new Set<() => void>();
let minute = Math.floor(Date.now() / MINUTE);
setInterval(() => {
  const now = Math.floor(Date.now() / MINUTE);
  if (now === minute) return;
  minute = now;
  for (const tick of ticks) tick();
}, 5000);
const onTick = (tick: () => void): (() => void) => {
  ticks.add(tick);
  return () => ticks.delete(tick);
};

/** The time, to the minute: what shows ages is drawn anew once a minute. */
export const useMinute = (): number => useSyncExternalStore(onTick, () => minute) * MINUTE;

/**
 * An instant: relative in lists, `absolute` in logs, audit and sessions. A click shows it in both zones, and copies ISO.
 * @param at as the API writes it; null and undefined are "never", or `otherwise`
 */
export function Time({
  at,
  absolute,
  otherwise,
}: {
  at: string | null | undefined;
  absolute?: boolean;
  otherwise?: string;
}) {
  const [zone] = useZone();
  const now = useMinute();
  if (!at)
    return (
      <Text span inherit c="dimmed">
        {otherwise ?? t.never}
      </Text>
    );
  const date = new Date(at);
  const text = absolute ? formatAbsolute(date, zone) : (formatRelative(date, Math.max(now, Date.now())) ?? t.justNow);
  return (
    <Popover position="bottom-start" withArrow shadow="md">
      <Popover.Target>
        <UnstyledButton fz="inherit" style={{ whiteSpace: 'nowrap', fontVariantNumeric: 'tabular-nums' }}>
          <time dateTime={at}>{text}</time>
        </UnstyledButton>
      </Popover.Target>
      <Popover.Dropdown>
        <Stack gap={4}>
          <Text size="sm">{`${formatAbsolute(date, 'local')} ${ZONE_NAME}`}</Text>
          <Text size="sm">{`${formatAbsolute(date, 'utc')} ${t.utc}`}</Text>
          <CopyButton text={date.toISOString()} what="ISO 8601" />
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}

import { Popover, Stack, Text } from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import { t } from '@texts/common';
import { createContext, type ReactNode, use, useMemo, useState, useSyncExternalStore } from 'react';
import styles from './cells.module.css';
import { CopyButton } from './copy';
import { formatAbsolute, formatRelative, ZONE_NAME } from './formats';

export type Zone = 'utc' | 'local';

const ZoneContext = createContext<[zone: Zone, setZone: (zone: Zone) => void]>(['local', () => undefined]);

/** The one switch between local time and UTC, which this browser remembers. */
export function ZoneProvider({ children }: { children: ReactNode }) {
  const [zone, setZone] = useLocalStorage<Zone>({ key: 'gatehouse-zone', defaultValue: 'local' });
  return <ZoneContext value={useMemo(() => [zone, setZone], [zone, setZone])}>{children}</ZoneContext>;
}

export const useZone = () => use(ZoneContext);

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
  // A list has a hundred of them: what a click opens is made by the click.
  const [isAsked, ask] = useState(false);
  if (!at) return <span className={styles.dimmed}>{otherwise ?? t.never}</span>;
  const date = new Date(at);
  const text = absolute ? formatAbsolute(date, zone) : (formatRelative(date, Math.max(now, Date.now())) ?? t.justNow);
  const button = (
    // biome-ignore lint/a11y/noAutofocus: the popover makes the pressed button anew, and the focus stays on it
    <button type="button" className={`${styles.plain} ${styles.time}`} autoFocus={isAsked} onClick={() => ask(true)}>
      <time dateTime={at}>{text}</time>
    </button>
  );
  if (!isAsked) return button;
  return (
    <Popover defaultOpened position="bottom-start" withArrow shadow="md">
      <Popover.Target>{button}</Popover.Target>
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

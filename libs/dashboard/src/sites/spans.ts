import type { SiteSession } from './queries';

export interface Span {
  start: number;
  online: boolean;
  /** Of the whole, 0 to 1. */
  part: number;
}

/** The time from `from` to `to` in spans, one after another; sessions that overlap are one span. */
export function spansOf(
  sessions: readonly Pick<SiteSession, 'connectedAt' | 'endedAt'>[],
  from: number,
  to: number,
): Span[] {
  const spans: Span[] = [];
  let at = from;
  const until = (end: number, online: boolean) => {
    if (end <= at) return;
    const part = (end - at) / (to - from);
    const last = spans.at(-1);
    if (last?.online === online) last.part += part;
    else spans.push({ start: at, online, part });
    at = end;
  };
  const known = sessions
    .map(({ connectedAt, endedAt }) => [Date.parse(connectedAt), endedAt === null ? to : Date.parse(endedAt)] as const)
    .sort(([one], [other]) => one - other);
  for (const [begin, end] of known) {
    until(Math.min(begin, to), false);
    until(Math.min(end, to), true);
  }
  until(to, false);
  return spans;
}

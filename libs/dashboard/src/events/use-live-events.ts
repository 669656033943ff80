import { useEffect } from 'react';
import { queryClient } from '@/api/query-client';
import { LiveEvents } from './live-events';
import { Refresher } from './refresher';

const refresher = new Refresher(queryClient);
let live: LiveEvents | undefined;

/** Without the stream, what is on the page is read anew this often. */
const POLL_MS = 15_000;

/** Keeps what the page shows of an organization current. @param follows false for who may not read its events: then the page asks now and then */
export function useLiveEvents(orgId: string, follows: boolean): void {
  useEffect(() => {
    if (!follows) {
      const timer = setInterval(() => refresher.everything(), POLL_MS);
      return () => clearInterval(timer);
    }
    live ??= new LiveEvents({ event: (event) => refresher.event(event), gap: () => refresher.everything() });
    live.show([orgId]);
    return () => live!.show([]);
  }, [orgId, follows]);
}

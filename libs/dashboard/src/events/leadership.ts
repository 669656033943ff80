const LOCK = 'gatehouse-event-stream';
const LEASE_MS = 10_000;
const RENEW_MS = 2000;

/**
 * One tab of a browser leads: by a Web Lock, which the browser passes on when a tab ends. Over plain HTTP from another machine browsers have no Web
 * Locks: then it is a lease in localStorage, renewed while the tab lives. Two tabs that took it at once both lead until the next look, when
 * the one whose lease was written over stops.
 */
export function lead({ onLead, onLose }: { onLead: () => void; onLose: () => void }): void {
  if (navigator.locks) {
    void navigator.locks.request(LOCK, () => {
      onLead();
      return new Promise(() => undefined);
    });
    return;
  }
  const me = String(Math.random());
  let leads = false;
  const become = (leading: boolean) => {
    if (leading === leads) return;
    leads = leading;
    if (leading) onLead();
    else onLose();
  };
  const look = () => {
    const [holder, until] = (localStorage.getItem(LOCK) ?? '').split(' ');
    if (holder !== me && Number(until) > Date.now()) return become(false);
    localStorage.setItem(LOCK, `${me} ${Date.now() + LEASE_MS}`);
    become(true);
  };
  addEventListener('pagehide', () => {
    if (leads) localStorage.removeItem(LOCK);
    become(false);
  });
  const soon = () => setTimeout(look, Math.random() * 300);
  addEventListener('storage', ({ key, newValue }) => key === LOCK && newValue === null && soon());
  soon();
  setInterval(look, RENEW_MS);
}

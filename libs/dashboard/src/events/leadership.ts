const LOCK = 'gatehouse-event-stream';
const LEASE_MS = 6000;
const RENEW_MS = 2000;

/**
 * One tab of a browser leads: by a Web Lock, which the browser gives on when a tab ends. Over plain HTTP from another machine browsers have no Web Locks:
 * then it is a lease in localStorage, renewed while the tab lives; two that lead for a moment cost a second stream, no more.
 * @param onLead called once, when this tab leads
 */
export function lead(onLead: () => void): void {
  if (navigator.locks) {
    void navigator.locks.request(LOCK, () => {
      onLead();
      return new Promise(() => undefined);
    });
    return;
  }
  const me = String(Math.random());
  let leads = false;
  const look = () => {
    const [holder, until] = (localStorage.getItem(LOCK) ?? '').split(' ');
    if (holder !== me && Number(until) > Date.now()) return;
    localStorage.setItem(LOCK, `${me} ${Date.now() + LEASE_MS}`);
    if (!leads) onLead();
    leads = true;
  };
  addEventListener('pagehide', () => leads && localStorage.removeItem(LOCK));
  addEventListener('storage', ({ key, newValue }) => {
    if (key === LOCK && newValue === null) setTimeout(look, Math.random() * 200);
  });
  setTimeout(look, Math.random() * 200);
  setInterval(look, RENEW_MS);
}

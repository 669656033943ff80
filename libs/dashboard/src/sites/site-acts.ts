import { t } from '@texts/site-acts';
import { api } from '@/api/client';
import { ifMatch } from '@/api/versions';
import { confirmByName } from '@/kit/confirm';
import { toastDone, toastProblem } from '@/kit/toasts';
import { CREDENTIAL_LIMITS } from '../../../contracts/index.js';
import { type SiteView, sitesChanged } from './queries';

const HOUR_SECONDS = 3600;

type Of = Pick<SiteView, 'siteId' | 'name'>;

const at = ({ siteId }: Of) => ({ params: { path: { siteId: String(siteId) } } });

async function setStatus(of: Of, status: 'approved' | 'pending'): Promise<void> {
  await api.POST('/site/{siteId}', { ...at(of), body: { status } });
  await sitesChanged();
}

/** At once, with Undo: a suspended site is resumed as it was. */
export async function suspend(of: Of): Promise<void> {
  await setStatus(of, 'pending');
  toastDone(t.one.suspended(of.name), () => resume(of));
}

export async function resume(of: Of): Promise<void> {
  await setStatus(of, 'approved');
  toastDone(t.one.resumed(of.name), () => suspend(of));
}

/** What was approved can be suspended, and waits for nobody any more. */
export async function approve(of: Of): Promise<void> {
  await setStatus(of, 'approved');
  toastDone(t.one.approved(of.name));
}

export async function restart(of: Of): Promise<void> {
  await api.POST('/site/{siteId}/restart', at(of));
  toastDone(t.one.restarted(of.name));
}

export async function allowReclaim(of: Of): Promise<void> {
  await api.POST('/site/{siteId}/allow-reclaim', { ...at(of), body: { expiresInSeconds: HOUR_SECONDS } });
  await sitesChanged();
  toastDone(t.one.reclaimAllowed(of.name));
}

export async function rotateCredential(of: Of): Promise<void> {
  const { overlapSeconds } = CREDENTIAL_LIMITS;
  const { data } = await api.POST('/site/{siteId}/rotate-credential', { ...at(of), body: { overlapSeconds } });
  await sitesChanged();
  if (data) toastDone(t.one.rotated[data.delivery](of.name));
}

/** Of a button: what is refused is told. */
export const tried =
  (act: (of: Of) => Promise<unknown>, of: Of): (() => void) =>
  () =>
    void act(of).catch(toastProblem);

const isInService = ({ state }: SiteView): boolean => !['pending', 'suspended', 'revoked'].includes(state);

/** By its name; what can be undone is offered first. */
export function revoke(site: SiteView): void {
  const { name } = site;
  confirmByName({
    title: t.one.revokeTitle(name),
    consequence: t.one.revokeConsequence,
    name,
    confirmLabel: t.one.revoke,
    onConfirm: async () => {
      await api.POST('/site/{siteId}/revoke', { ...at(site), body: {} });
      await sitesChanged();
      toastDone(t.one.revoked(name));
    },
    ...(isInService(site) ? { gentler: { label: t.one.suspendInstead, onChoose: tried(suspend, site) } } : {}),
  });
}

/** Likewise. What was changed since it was read is deleted by nobody. */
export function remove(site: SiteView, onGone: () => unknown): void {
  const { name, state } = site;
  confirmByName({
    title: t.one.deleteTitle(name),
    consequence: state === 'pending' ? t.one.deletePendingConsequence : t.one.deleteConsequence,
    name,
    confirmLabel: t.one.delete,
    onConfirm: async () => {
      await api.DELETE('/site/{siteId}', {
        params: { path: { siteId: String(site.siteId) }, header: ifMatch(site) },
      });
      toastDone(t.one.deleted(name));
      await onGone();
      await sitesChanged();
    },
    ...(isInService(site) ? { gentler: { label: t.one.suspendInstead, onChoose: tried(suspend, site) } } : {}),
  });
}

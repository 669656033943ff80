import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Blueprint, PrivateEntry, PublicEntry } from '#blueprint';
import { notFound, query } from '#platform';

interface Held {
  key: string;
  /** A document of this very site declares it, or it waits for the site's approval. */
  mine: boolean;
}
interface HeldPublic extends Held {
  http: boolean;
  protocol: string;
  fullDomain: string | null;
  proxyPort: number | null;
}
interface HeldPrivate extends Held {
  mode: string;
  destination: string;
}

/** The document of a site with the keys under which its resources are kept, and the way back to the keys that it says. */
export interface Keyed {
  model: Blueprint;
  sameAs(other: Keyed): boolean;
  /** @param path of a problem, such as `public-resources.web-quiet-otter.name` */
  asSaid(path: string): string;
}

const LONGEST = 255;
const LOOPBACK = /^(localhost|127\.|::1$)/i;

/**
 * One document drives a whole fleet (docs/blueprints.md, One document, many sites): a key means the resource of that name where it is the
 * site's own, or the very one that the document describes. Where the name is somebody else's, the site's own resource has the niceId of
 * the site behind it.
 */
@Injectable()
export class SiteScopedKeys {
  /** @throws not_found */
  async of(em: EntityManager, orgId: string, siteId: number, model: Blueprint): Promise<Keyed> {
    const [site] = await query<{ niceId: string }>(
      em,
      'SELECT nice_id AS "niceId" FROM site WHERE org_id = $1 AND site_id = $2',
      [orgId, siteId],
    );
    if (!site) throw notFound('Site');
    const own = (key: string) => `${key}-${site.niceId}`;
    const both = (entries: { key: string }[]) => entries.flatMap(({ key }) => [key, own(key)]);
    const mine = (table: string) =>
      `(r.staged_by = $3 OR EXISTS (SELECT FROM ${table}_declaration d JOIN blueprint_source b USING (source_id) WHERE d.${table}_id = r.${table}_id AND b.site_id = $3)) IS TRUE AS mine`;
    const [publics, privates] = await Promise.all([
      query<HeldPublic>(
        em,
        `SELECT nice_id AS key, http, protocol, full_domain AS "fullDomain", proxy_port AS "proxyPort", ${mine('resource')} FROM resource r WHERE org_id = $1 AND nice_id = ANY ($2)`,
        [orgId, both(model.publicResources), siteId],
      ),
      query<HeldPrivate>(
        em,
        `SELECT nice_id AS key, mode, destination, ${mine('site_resource')} FROM site_resource r WHERE org_id = $1 AND nice_id = ANY ($2)`,
        [orgId, both(model.privateResources), siteId],
      ),
    ]);
    const said = new Map<string, string>();
    const rekeyed = <Entry extends { key: string }, Row extends Held>(
      section: string,
      entries: Entry[],
      held: Row[],
      same: (entry: Entry, row: Row) => boolean,
    ): Entry[] => {
      const rows = new Map(held.map((row) => [row.key, row]));
      const taken = new Set(entries.map((entry) => entry.key));
      return entries.map((entry) => {
        const [row, ours] = [rows.get(entry.key), rows.get(own(entry.key))];
        const stays = ours?.mine ? false : !row || row.mine || same(entry, row);
        if (stays || taken.has(own(entry.key)) || own(entry.key).length > LONGEST) return entry;
        said.set(`${section}.${own(entry.key)}`, `${section}.${entry.key}`);
        return { ...entry, key: own(entry.key) };
      });
    };
    const publicResources = rekeyed('public-resources', model.publicResources, publics, samePublic);
    const privateResources = rekeyed('private-resources', model.privateResources, privates, samePrivate);
    const keys = (of: Blueprint) =>
      [of.publicResources, of.privateResources].map((entries) => entries.map((entry) => entry.key));
    const keyed = { ...model, publicResources, privateResources };
    return {
      model: keyed,
      sameAs: (other) => isDeepStrictEqual(keys(keyed), keys(other.model)),
      asSaid: (path) => {
        const [kept, before] = [...said].find(([start]) => path === start || path.startsWith(`${start}.`)) ?? ['', ''];
        return before + path.slice(kept.length);
      },
    };
  }
}

/** An entry that only adds targets means the resource of that name. */
function samePublic(entry: PublicEntry, row: HeldPublic): boolean {
  if (entry.targetsOnly) return true;
  return entry.mode === 'http'
    ? row.http && row.fullDomain === entry.fullDomain
    : !row.http && row.protocol === entry.mode && row.proxyPort === entry.proxyPort;
}

/** A loopback address is another place on each machine. */
const samePrivate = (entry: PrivateEntry, row: HeldPrivate) =>
  !LOOPBACK.test(entry.destination) && row.mode === entry.mode && row.destination === entry.destination;

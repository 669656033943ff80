import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { likeEscape, query, type Window } from '#platform';
import type {
  ClientItem,
  DeviceStatus,
  ListClientsQuery,
  ListUserDevicesQuery,
  UserDeviceItem,
} from './clients.dto.js';
import { CLIENT_COLUMNS } from './clients.repository.js';

/** Each is a partial index, or a filter of `client_machine` and `client_device`. */
const STATUS: Record<DeviceStatus, string> = {
  active: `(NOT c.archived AND NOT c.blocked AND (c.approval_state IS NULL OR c.approval_state = 'approved'))`,
  pending: `(NOT c.archived AND NOT c.blocked AND c.approval_state = 'pending')`,
  denied: `c.approval_state = 'denied'`,
  blocked: 'c.blocked',
  archived: 'c.archived',
};

const SITES = `
  LEFT JOIN LATERAL (
    SELECT coalesce(jsonb_agg(jsonb_build_object('siteId', v.site_id, 'siteName', v.name, 'siteNiceId', v.nice_id) ORDER BY v.name, v.site_id), '[]') AS sites
    FROM client_site v WHERE v.client_id = c.client_id
  ) v ON true`;

type Kind = 'machine' | 'device';
type Query = ListClientsQuery | ListUserDevicesQuery;

/** Lists of clients: of machines, and of people's devices. */
@Injectable()
export class ClientReads {
  async machines(
    em: EntityManager,
    orgId: string,
    q: ListClientsQuery,
    window: Window,
  ): Promise<[ClientItem[], number]> {
    const { text, values } = clientPage(orgId, 'machine', q, window);
    const [rows, total] = await Promise.all([query<ClientItem>(em, text, values), this.total(em, orgId, 'machine', q)]);
    return [
      rows.map((row) => ({
        ...row,
        sites: row.sites.map(({ siteId, siteName, siteNiceId }) => ({ siteId, siteName, siteNiceId })),
      })),
      total,
    ];
  }

  async devices(
    em: EntityManager,
    orgId: string,
    q: ListUserDevicesQuery,
    window: Window,
  ): Promise<[UserDeviceItem[], number]> {
    const { text, values } = clientPage(orgId, 'device', q, window);
    return Promise.all([query<UserDeviceItem>(em, text, values), this.total(em, orgId, 'device', q)]);
  }

  private async total(em: EntityManager, orgId: string, kind: Kind, q: Query): Promise<number> {
    const { where, values } = conditions(orgId, kind, q);
    const [row] = await query<{ n: number }>(em, `SELECT count(*) AS n FROM client c WHERE ${where}`, values);
    return row!.n;
  }
}

/** The statement of a page, for tests that look at its plan too. */
export function clientPage(orgId: string, kind: Kind, q: Query, window: Window): { text: string; values: unknown[] } {
  const { where, values } = conditions(orgId, kind, q);
  const direction = q.order === 'desc' ? 'DESC' : 'ASC';
  const order = `ORDER BY c.name ${direction}, c.client_id ${direction}`;
  const [more, join] =
    kind === 'machine'
      ? ['v.sites', SITES]
      : ['u.username, u.email AS "userEmail", NULL AS agent', 'JOIN "user" u ON u.user_id = c.user_id'];
  // The page is cut out before anything is joined; as an array, because a plan for any limit takes that for few rows.
  const ids = `ARRAY(SELECT c.client_id FROM client c WHERE ${where} ${order} LIMIT $${values.length + 1} OFFSET $${values.length + 2})`;
  return {
    text: `SELECT ${CLIENT_COLUMNS}, ${more} FROM client c ${join} WHERE c.client_id = ANY(${ids}) ${order}`,
    values: [...values, window.limit, window.offset],
  };
}

function conditions(orgId: string, kind: Kind, q: Query): { where: string; values: unknown[] } {
  const values: unknown[] = [orgId];
  const statuses = q.status ?? (kind === 'machine' ? ['active' as const] : ['active' as const, 'pending' as const]);
  const parts = [
    'c.org_id = $1',
    `c.user_id IS ${kind === 'machine' ? 'NULL' : 'NOT NULL'}`,
    `(${statuses.map((status) => STATUS[status]).join(' OR ')})`,
  ];
  if (q.query) {
    values.push(`%${likeEscape(q.query)}%`);
    parts.push('(c.name ILIKE $2 OR c.nice_id ILIKE $2)');
  }
  const nobody = q.online === true || ('agent' in q && q.agent !== undefined && q.agent !== 'unknown');
  if (nobody) parts.push('false');
  return { where: parts.join(' AND '), values };
}

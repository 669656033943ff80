import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type Columns, type ExportSource, likeEscape, query, type Window } from '#platform';
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

/** Of both. */
const COLUMNS = {
  clientId: true,
  orgId: true,
  exitNodeId: true,
  userId: true,
  niceId: true,
  name: true,
  pubKey: true,
  olmId: true,
  subnet: true,
  megabytesIn: true,
  megabytesOut: true,
  lastBandwidthUpdate: true,
  lastPing: true,
  type: true,
  online: true,
  lastHolePunch: true,
  archived: true,
  blocked: true,
  approvalState: true,
} as const;
const MACHINE_COLUMNS: Columns<ClientItem> = { ...COLUMNS, sites: true };
const DEVICE_COLUMNS: Columns<UserDeviceItem> = { ...COLUMNS, username: true, userEmail: true, agent: true };

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
    return [rows.map(toMachine), total];
  }

  /** All matches, by id. */
  allMachines(em: EntityManager, orgId: string, q: ListClientsQuery): ExportSource<ClientItem, number> {
    return {
      name: 'clients',
      columns: MACHINE_COLUMNS,
      page: async (after, limit) => {
        const { text, values } = clientsBehind(orgId, 'machine', q, after, limit);
        return (await query<ClientItem>(em, text, values)).map(toMachine);
      },
      keyOf: ({ clientId }) => clientId,
    };
  }

  /** Likewise of people's devices. */
  allDevices(em: EntityManager, orgId: string, q: ListUserDevicesQuery): ExportSource<UserDeviceItem, number> {
    return {
      name: 'user-devices',
      columns: DEVICE_COLUMNS,
      page: (after, limit) => {
        const { text, values } = clientsBehind(orgId, 'device', q, after, limit);
        return query<UserDeviceItem>(em, text, values);
      },
      keyOf: ({ clientId }) => clientId,
    };
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

const ITEM: Record<Kind, string> = {
  machine: `SELECT ${CLIENT_COLUMNS}, v.sites FROM client c ${SITES}`,
  device: `SELECT ${CLIENT_COLUMNS}, u.username, u.email AS "userEmail", NULL AS agent FROM client c JOIN "user" u ON u.user_id = c.user_id`,
};

/** The statement of a page, for tests that look at its plan too. */
export function clientPage(orgId: string, kind: Kind, q: Query, window: Window): { text: string; values: unknown[] } {
  const { where, values } = conditions(orgId, kind, q);
  const direction = q.order === 'desc' ? 'DESC' : 'ASC';
  const order = `ORDER BY c.name ${direction}, c.client_id ${direction}`;
  // The page is cut out before anything is joined; as an array, because a plan for any limit takes that for few rows.
  const ids = `ARRAY(SELECT c.client_id FROM client c WHERE ${where} ${order} LIMIT $${values.length + 1} OFFSET $${values.length + 2})`;
  return {
    text: `${ITEM[kind]} WHERE c.client_id = ANY(${ids}) ${order}`,
    values: [...values, window.limit, window.offset],
  };
}

/** Those behind an id, by id. */
function clientsBehind(
  orgId: string,
  kind: Kind,
  q: Query,
  clientId: number | undefined,
  limit: number,
): { text: string; values: unknown[] } {
  const { where, values } = conditions(orgId, kind, q);
  const text = `${ITEM[kind]} WHERE ${where} AND c.client_id > $${values.length + 1} ORDER BY c.client_id LIMIT $${values.length + 2}`;
  return { text, values: [...values, clientId ?? 0, limit] };
}

const toMachine = (row: ClientItem): ClientItem => ({
  ...row,
  sites: row.sites.map(({ siteId, siteName, siteNiceId }) => ({ siteId, siteName, siteNiceId })),
});

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

import type { SessionEnd, SiteState } from '#contracts';
import type { SiteItem, SiteOrigin, SiteRow, SiteView } from './sites.dto.js';
import type { SiteStatus, SiteType } from './sites.repository.js';

/** A site as SQL answers it. */
export interface ReadRow extends Omit<SiteOrigin, 'groupIds'> {
  siteId: number;
  orgId: string;
  niceId: string;
  name: string;
  facts?: Record<string, unknown> | null;
  type: SiteType;
  status: SiteStatus;
  connected: boolean;
  address: string | null;
  subnet: string | null;
  pubKey: string | null;
  megabytesIn: number;
  megabytesOut: number;
  dockerSocketEnabled: boolean;
  autoUpdateEnabled: boolean;
  autoUpdateOverrideOrg: boolean;
  remoteSubnets: string | null;
  desiredVersion: number;
  appliedVersion: number | null;
  appliedError: string | null;
  newtId: string | null;
  /** Arrays of int8 arrive as text. */
  groupIds: string[];
}

/** One that is read by itself. */
export interface OneRow extends ReadRow {
  connectedFrom: string | null;
  connectedSince: Date | null;
  disconnectedAt: Date | null;
  disconnectReason: SessionEnd | null;
}

/** One of a list. */
export interface ItemRow extends ReadRow {
  orgName: string;
  resourceCount: number;
}

const seconds = (at: Date | null) => (at ? Math.floor(at.getTime() / 1000) : null);

function origin(r: Omit<ReadRow, 'groupIds'> & { groupIds: (string | number)[] }): SiteOrigin {
  const {
    state,
    deviceId,
    description,
    hardwareId,
    labels,
    keyId,
    keyGeneration,
    templateId,
    profileId,
    claimId,
    claimedFrom,
    oddities,
    agentVersion,
    lastSeenAt,
    createdAt,
    decidedBy,
    decidedAt,
    decisionNote,
    suspendedAt,
    revokedAt,
    ephemeralSeconds,
  } = r;
  return {
    state,
    deviceId,
    description,
    hardwareId,
    labels,
    groupIds: r.groupIds.map(Number),
    keyId,
    keyGeneration,
    templateId,
    profileId,
    claimId,
    claimedFrom,
    oddities,
    agentVersion,
    lastSeenAt,
    createdAt,
    decidedBy,
    decidedAt,
    decisionNote,
    suspendedAt,
    revokedAt,
    ephemeralSeconds,
  };
}

/** The fields that clients know, in their order (docs/integration-api.md §3.3). */
function contract(r: Omit<ReadRow, 'groupIds'>): Omit<SiteRow, keyof SiteOrigin> {
  return {
    siteId: r.siteId,
    orgId: r.orgId,
    niceId: r.niceId,
    exitNodeId: null,
    networkId: null,
    name: r.name,
    pubKey: r.pubKey,
    subnet: r.subnet,
    megabytesIn: r.megabytesIn,
    megabytesOut: r.megabytesOut,
    lastBandwidthUpdate: null,
    type: r.type,
    online: r.connected || r.type === 'local',
    lastPing: seconds(r.lastSeenAt),
    address: r.address,
    endpoint: null,
    publicKey: null,
    lastHolePunch: null,
    listenPort: null,
    dockerSocketEnabled: r.dockerSocketEnabled,
    status: r.status,
    autoUpdateEnabled: r.autoUpdateEnabled,
    autoUpdateOverrideOrg: r.autoUpdateOverrideOrg,
    remoteSubnets: r.remoteSubnets,
  };
}

/**
 * Object.assign, for V8 makes an object with a second spread of this size five times as slowly, out of memory that outlives the request.
 * @returns a site as a read answers it.
 */
export function toView(r: OneRow): SiteView {
  return Object.assign(contract(r), { newtId: r.newtId, newtVersion: r.agentVersion }, origin(r), {
    desiredVersion: r.desiredVersion,
    appliedVersion: r.appliedVersion,
    appliedError: r.appliedError,
    connectedFrom: r.connectedFrom,
    connectedSince: r.connectedSince,
    lastDisconnect: r.disconnectedAt && { at: r.disconnectedAt, reason: r.disconnectReason! },
    facts: r.facts ?? null,
  });
}

/** @returns a site as a list answers it. */
export function toItem(r: ItemRow): SiteItem {
  return Object.assign(
    {
      siteId: r.siteId,
      niceId: r.niceId,
      name: r.name,
      pubKey: r.pubKey,
      subnet: r.subnet,
      megabytesIn: r.megabytesIn,
      megabytesOut: r.megabytesOut,
      orgName: r.orgName,
      type: r.type,
    },
    r.type === 'local' ? {} : { online: r.connected },
    {
      address: r.address,
      newtVersion: r.agentVersion,
      exitNodeId: null,
      exitNodeName: null,
      exitNodeEndpoint: null,
      remoteExitNodeId: null,
      resourceCount: r.resourceCount,
      status: r.status,
      newtUpdateAvailable: false,
    },
    origin(r),
  );
}

/** A site that was just made, without reading it again. */
export function newSiteRow(made: {
  siteId: number;
  orgId: string;
  niceId: string;
  deviceId: string;
  name: string;
  type: SiteType;
  status: SiteStatus;
  state: SiteState;
  address: string | null;
  subnet: string | null;
  dockerSocketEnabled: boolean;
  autoUpdateEnabled: boolean;
  autoUpdateOverrideOrg: boolean;
  remoteSubnets: string | null;
  description: string | null;
  createdAt: Date;
}): { contract: Omit<SiteRow, keyof SiteOrigin>; origin: SiteOrigin } {
  const row = {
    ...made,
    connected: false,
    pubKey: null,
    megabytesIn: 0,
    megabytesOut: 0,
    hardwareId: null,
    labels: {},
    keyId: null,
    keyGeneration: null,
    templateId: null,
    profileId: null,
    claimId: null,
    claimedFrom: null,
    oddities: [],
    agentVersion: null,
    lastSeenAt: null,
    decidedBy: null,
    decidedAt: null,
    decisionNote: null,
    suspendedAt: null,
    revokedAt: null,
    ephemeralSeconds: null,
    desiredVersion: 1,
    appliedVersion: null,
    appliedError: null,
    newtId: null,
    groupIds: [],
  };
  return { contract: contract(row), origin: origin(row) };
}

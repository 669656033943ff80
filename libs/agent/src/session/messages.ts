import {
  AGENT_LIMITS,
  type AgentBlueprintProblem,
  type AgentBlueprintResult,
  type AgentReconnect,
  type AgentSiteStatus,
  type AgentState,
  type AgentWelcome,
  type Envelope,
} from '../../../contracts/index.js';
import { readLists, readTunnel } from './lists.js';

const MAX_HEARTBEAT_SECONDS = 3600;
const MAX_RECONNECT_MS = 3_600_000;

/** A frame as an envelope; undefined when it is none. */
export function readEnvelope(text: string): Envelope | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isObject(value) && typeof value['type'] === 'string'
    ? { type: value['type'], data: value['data'] }
    : undefined;
}

/** The fields that this version knows; undefined when one of them is missing or wrong. Unknown fields are ignored. */
export function readWelcome(data: unknown): AgentWelcome | undefined {
  if (!isObject(data)) return undefined;
  const { protocol, siteId, niceId, name, status, serverVersion, heartbeatSeconds, dockerSocketEnabled } = data;
  const tunnel = readTunnel(data['tunnel']);
  if (typeof siteId !== 'number' || typeof niceId !== 'string' || !isStatus(status)) return undefined;
  const usable =
    typeof heartbeatSeconds === 'number' && heartbeatSeconds >= 1 && heartbeatSeconds <= MAX_HEARTBEAT_SECONDS;
  return {
    protocol: typeof protocol === 'number' ? protocol : 1,
    siteId,
    niceId,
    ...(typeof name === 'string' && name !== '' ? { name } : {}),
    status,
    serverVersion: typeof serverVersion === 'string' ? serverVersion : '',
    heartbeatSeconds: usable ? heartbeatSeconds : AGENT_LIMITS.heartbeatSeconds,
    ...(dockerSocketEnabled === false ? { dockerSocketEnabled } : {}),
    ...(tunnel ? { tunnel } : {}),
  };
}

/** @returns undefined without a usable version: such a state could not be acknowledged */
export function readState(data: unknown): AgentState | undefined {
  if (!isObject(data) || !Number.isSafeInteger(data['version']) || (data['version'] as number) < 1) return undefined;
  const status = data['status'];
  if (status !== undefined && !isStatus(status)) return undefined;
  return { ...data, ...readLists(data), version: data['version'] as number, status: status ?? 'approved' };
}

export function readReconnect(data: unknown): AgentReconnect | undefined {
  if (!isObject(data) || typeof data['afterMs'] !== 'number' || !(data['afterMs'] >= 0)) return undefined;
  return { afterMs: Math.min(data['afterMs'], MAX_RECONNECT_MS) };
}

/** @returns undefined without an id and a verdict: it could not be told what it is about */
export function readBlueprintResult(data: unknown): AgentBlueprintResult | undefined {
  if (!isObject(data) || typeof data['id'] !== 'string' || typeof data['ok'] !== 'boolean') return undefined;
  const { id, ok, message, problems } = data;
  const readable = Array.isArray(problems)
    ? problems.filter(
        (one): one is AgentBlueprintProblem =>
          isObject(one) && typeof one['path'] === 'string' && typeof one['message'] === 'string',
      )
    : [];
  return {
    id,
    ok,
    message: typeof message === 'string' ? message : '',
    ...(readable.length > 0 ? { problems: readable } : {}),
  };
}

function isStatus(value: unknown): value is AgentSiteStatus {
  return value === 'pending' || value === 'approved';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

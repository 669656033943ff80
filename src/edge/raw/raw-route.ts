import { type StoredTarget, TargetSet, type TargetStates } from '../routing/targets.js';

/** A target that may be sent something: enabled, and on an approved site. */
export interface RawTarget {
  targetId: number;
  siteId: number;
  ip: string;
  port: number;
  priority: number;
  /** As it was told last, where it is checked. */
  unhealthy: boolean;
}

/** A raw resource that is in service (docs/integration-api.md §3.5). */
export interface RawRoute {
  resourceId: number;
  orgId: string;
  protocol: 'tcp' | 'udp';
  /** On which the server listens for it. */
  port: number;
  /** Which version of the PROXY protocol the targets are told who connects by. */
  proxyVersion: number | null;
  targets: RawTarget[];
}

/** The protocol and the port are what only one resource can have. */
export const portOf = ({ protocol, port }: Pick<RawRoute, 'protocol' | 'port'>): string => `${protocol} port ${port}`;

const UNROUTED: Omit<StoredTarget, keyof RawTarget> = {
  method: null,
  insecureTls: false,
  enabled: true,
  path: null,
  pathMatchType: null,
  rewritePath: null,
  rewritePathType: null,
};

/** The targets of a raw resource: those of the highest priority take turns, as for HTTP. */
export class RawTargets {
  private readonly set: TargetSet;
  private readonly byId: Map<number, RawTarget>;

  constructor(targets: readonly RawTarget[]) {
    this.set = new TargetSet(targets.map((target) => ({ ...UNROUTED, ...target })));
    this.byId = new Map(targets.map((target) => [target.targetId, target]));
  }

  /** @param tried did not take this connection @returns undefined when there is none (any more) */
  choose(isReachable: TargetStates['isOnline'], tried: readonly number[] = []): RawTarget | undefined {
    const isUnhealthy = (targetId: number) => this.byId.get(targetId)!.unhealthy;
    const chosen = this.set.choose('/', { isOnline: isReachable, isUnhealthy }, tried);
    return typeof chosen === 'string' ? undefined : this.byId.get(chosen.targetId);
  }

  /** Whether something still leads there: what is under way to anything else is cut. */
  has({ targetId, siteId, ip, port }: RawTarget): boolean {
    const target = this.byId.get(targetId);
    return target?.siteId === siteId && target.ip === ip && target.port === port;
  }
}

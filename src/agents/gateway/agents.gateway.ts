import { UseFilters } from '@nestjs/common';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  AGENT_LIMITS,
  AGENT_MESSAGE,
  AGENT_PATHS,
  type AgentCapability,
  type AgentWelcome,
  PROTOCOL,
} from '#contracts';
import { siteBundleKey } from '#platform';
import { SERVER_VERSION } from '../agents.service.js';
import { SiteBlueprints } from '../blueprints/site-blueprints.service.js';
import { SessionBundles } from '../bundles/session-bundles.service.js';
import { DeliveryService } from '../delivery/delivery.service.js';
import { SessionHealth } from '../health/session-health.service.js';
import { agentContainers } from '../newt/containers.js';
import { NewtsService } from '../newt/newts.service.js';
import type { Reply } from './agent-socket.adapter.js';
import { MessageDispatch } from './message-dispatch.js';
import {
  AppliedMessage,
  BlueprintMessage,
  BundleMessage,
  Data,
  From,
  HealthMessage,
  Heartbeat,
  Hello,
  LeaseMessage,
  MessageErrorFilter,
  NewtBlueprint,
  NewtContainers,
  NewtHealthStatus,
  NewtPingRequest,
  NewtRegister,
} from './messages.js';
import type { Session } from './session.js';
import { SessionTunnels } from './session-tunnels.js';

/** What a newt reports and nobody here uses yet. The WireGuard side will take its types out of this list. */
export const QUIET = [
  'newt/wg/get-config',
  'newt/receive-bandwidth',
  'newt/socket/status',
  'newt/access-log',
  'newt/request-log',
  'newt/disconnecting',
  'ws/round-trip/complete',
];

const TAKES_BUNDLES: AgentCapability = 'bundles';
const TAKES_CREDENTIALS: AgentCapability = 'credentials';

/** Both dialects of the session (docs/agent-protocol.md "Messages"): unmodified newt, and Gatehouse's agent, which says hello first. */
@WebSocketGateway({ path: AGENT_PATHS.websocket })
@UseFilters(MessageErrorFilter)
export class AgentsGateway {
  constructor(
    private readonly delivery: DeliveryService,
    private readonly blueprints: SiteBlueprints,
    private readonly bundles: SessionBundles,
    private readonly newts: NewtsService,
    private readonly health: SessionHealth,
    private readonly tunnels: SessionTunnels,
    dispatch: MessageDispatch,
  ) {
    dispatch.acceptQuietly(QUIET);
  }

  @SubscribeMessage(AGENT_MESSAGE.hello)
  hello(@From() session: Session, @Data() hello: Hello): void {
    session.greeted = true;
    session.takesCredentials = hello.capabilities?.includes(TAKES_CREDENTIALS) ?? false;
    this.delivery.saveIntroduction({
      siteId: session.siteId,
      version: hello.version,
      facts: hello.facts ?? {},
      clientType: 'agent',
      takesBundles: hello.capabilities?.includes(TAKES_BUNDLES) ?? false,
      takesCredentials: session.takesCredentials,
    });
    if (hello.bundleKey)
      this.delivery.saveBundleKey({
        siteId: session.siteId,
        address: session.address,
        ...siteBundleKey(hello.bundleKey),
      });
    const welcome: AgentWelcome = {
      protocol: PROTOCOL,
      siteId: session.siteId,
      niceId: session.niceId,
      name: session.name,
      status: session.status,
      serverVersion: SERVER_VERSION,
      heartbeatSeconds: AGENT_LIMITS.heartbeatSeconds,
      ...(session.takesLabels ? {} : { dockerSocketEnabled: false }),
      ...this.tunnels.begin(session, hello.capabilities),
    };
    session.send(AGENT_MESSAGE.welcome, welcome);
    this.delivery.sendState(session);
  }

  @SubscribeMessage(AGENT_MESSAGE.applied)
  applied(@From() session: Session, @Data() { version, ok, error }: AppliedMessage): void {
    this.delivery.saveApplied({ siteId: session.siteId, version, error: ok ? null : (error ?? 'failed') });
  }

  @SubscribeMessage(AGENT_MESSAGE.heartbeat)
  heartbeat(@From() session: Session, @Data() { version }: Heartbeat): void {
    this.delivery.heartbeat(session, version);
  }

  @SubscribeMessage(AGENT_MESSAGE.health)
  healthOfTargets(@From() session: Session, @Data() { results }: HealthMessage): void {
    this.health.take(session, results);
  }

  @SubscribeMessage('newt/ping')
  ping(): Reply {
    return { type: 'pong', data: { timestamp: Date.now() } };
  }

  /** No exit node: newt goes idle and stays connected (docs/newt.md §3). */
  @SubscribeMessage('newt/ping/request')
  pingRequest(@Data() { chainId }: NewtPingRequest): Reply {
    return { type: 'newt/ping/exitNodes', data: { exitNodes: [], ...(chainId === undefined ? {} : { chainId }) } };
  }

  /** The backwards compatible form is to be ignored, and without an exit node there is nothing to connect to; the version is worth keeping. */
  @SubscribeMessage('newt/wg/register')
  register(@From() session: Session, @Data() { newtVersion }: NewtRegister): void {
    if (newtVersion)
      this.delivery.saveIntroduction({
        siteId: session.siteId,
        version: newtVersion,
        facts: null,
        clientType: 'newt',
        takesBundles: false,
        takesCredentials: false,
      });
    if (session.greeted || session.isNewt) return;
    session.isNewt = true;
    this.delivery.sendState(session);
  }

  @SubscribeMessage('newt/healthcheck/status')
  healthStatus(@From() session: Session, @Data() { targets }: NewtHealthStatus): void {
    this.newts.takeResults(session, targets);
  }

  @SubscribeMessage('newt/socket/containers')
  containers(@From() session: Session, @Data() { containers }: NewtContainers): void {
    this.newts.takeContainers(session, containers);
  }

  @SubscribeMessage(AGENT_MESSAGE.blueprint)
  blueprint(@From() session: Session, @Data() { id, kind, document, containers }: BlueprintMessage): void {
    const list = containers === undefined ? undefined : agentContainers(containers);
    this.blueprints.fromAgent(session, id, kind, JSON.stringify(document), list);
  }

  @SubscribeMessage(AGENT_MESSAGE.bundle)
  acknowledge(@From() session: Session, @Data() { version, digest, state, reason }: BundleMessage): void {
    this.bundles.acknowledge(session, { version, digest, state, ...(reason === undefined ? {} : { reason }) });
  }

  @SubscribeMessage(AGENT_MESSAGE.lease)
  lease(@From() session: Session, @Data() { nonce, prev = null, ver }: LeaseMessage): void {
    this.bundles.lease(session, { nonce, prev, ver });
  }

  @SubscribeMessage('newt/blueprint/apply')
  applyBlueprint(@From() session: Session, @Data() { blueprint }: NewtBlueprint): void {
    this.blueprints.fromNewt(session, blueprint);
  }
}

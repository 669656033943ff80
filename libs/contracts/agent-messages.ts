import type { AgentCredential } from './credentials.js';
import type {
  BundleAck,
  BundleKey,
  LeaseAnswer,
  LeaseRequest,
  RevocationNotice,
  TrustFingerprint,
} from './instances.js';
import type { AgentHealthCheck, AgentResource, AgentTarget, AgentTunnel } from './tunnel.js';

/**
 * The wire between server and Gatehouse agent (docs/agent-protocol.md). Plain data and constants: both ends build on it,
 * and both validate what arrives, since the other end may be older, newer or somebody else.
 * A field is never given a new meaning; an agent ignores types and fields it does not know.
 */

/** The version of this protocol, told in `agent/hello` and `agent/welcome`. */
export const PROTOCOL = 1;

export const AGENT_PATHS = {
  /** The claim endpoint of newts: POST {@link ClaimRequest}, answered by {@link ClaimResponse} in the envelope (201 first claim, 200 re-claim). */
  register: '/api/v1/auth/newt/register',
  /** POST {@link TokenRequest}, answered by {@link TokenResponse} in the envelope, status exactly 200. */
  getToken: '/api/v1/auth/newt/get-token',
  /** The claim endpoint of devices: POST {@link ProvisionRequest}, answered bare. */
  provision: '/api/v1/provision',
  /** get-token of devices, with what the connection proves; answered like the other one. */
  getDeviceToken: '/api/v1/auth/device/get-token',
  /** The websocket; `?clientType=newt`, and `Authorization: Bearer <token>` (or `&token=` from an unmodified newt). */
  websocket: '/api/v1/ws',
  /** The bundle, its hash (`<sha256>  gatehouse-agent.mjs`) and the installer, as the server offers them. */
  bundle: '/agent/gatehouse-agent.mjs',
  bundleHash: '/agent/gatehouse-agent.mjs.sha256',
  installer: '/install.sh',
} as const;

export const CLIENT_TYPE = 'newt';

/** Close codes of an agent session. */
export const CLOSE = {
  normal: 1000,
  tooBig: 1009,
  /** The server restarts; an `agent/reconnect` came before. */
  restart: 1012,
  /** A newer session of the same site took over: the agent waits 60-120 s. */
  replaced: 4001,
  /** The credential of the session has expired or was superseded: the agent gets a token with the one that it has now, or renews. */
  credentialEnded: 4002,
  /** The reason says `revoked` (the credential), `rejected` or `deleted` (the site): the agent stops with exit code 77. */
  revoked: 4003,
} as const;

/** The code of the one 401 envelope for an unknown, wrong, revoked or rejected site credential. */
export const CREDENTIAL_UNUSABLE = 'credential_unusable';
/** The uniform refusal of a newt's claim (docs/claims.md rule 2). */
export const INVALID_PROVISIONING_KEY = 'invalid_provisioning_key';
export const INVALID_PROVISIONING_KEY_MESSAGE = 'Invalid provisioning key';

export const AGENT_LIMITS = {
  /** A frame to the server above this closes the session. */
  maxFrameBytes: 1024 * 1024,
  /** A session silent for this long is closed; protocol PINGs count. */
  silenceSeconds: 90,
  heartbeatSeconds: 30,
  /** Share by which an agent varies each heartbeat interval. */
  heartbeatJitter: 0.1,
  hardwareIdLength: 128,
  nameLength: 255,
  /** Of one `agent/health`. */
  healthResults: 200,
  healthErrorLength: 300,
} as const;

export type ClaimRequest = {
  provisioningKey: string;
  name?: string;
  hardwareId?: string;
  claimNonce?: string;
  ephemeral?: true;
  /** The machine's own public key, which its bundles are sealed for (docs/instances.md). */
  bundleKey?: BundleKey;
  /** What the machine was told to trust, for the server to refuse before a use of the key is spent. */
  trustFingerprint?: TrustFingerprint;
};
/** The same to the claim endpoint of devices. */
export type ProvisionRequest = {
  provision_key: string;
  hardware_id: string;
  device_name?: string | undefined;
  claim_nonce?: string | undefined;
  csr?: string;
  ephemeral?: true | undefined;
  bundle_key?: BundleKey | undefined;
  trust_fingerprint?: string | undefined;
};
/**
 * `secret` is empty on a recognised re-claim: the agent keeps the one it has (docs/claims.md rule 4). `ephemeralSeconds`: how long the site may be
 * offline before it is removed (docs/claims.md rule 32).
 */
export type ClaimResponse = {
  newtId: string;
  secret: string;
  /** When the credential expires; absent: it has no end, or none was issued. */
  expiresAt?: string;
  ephemeralSeconds?: number;
  /** RFC 7638 thumbprints of the organization's signing key and of the one committed to follow it. */
  signingKeyThumbprint?: string;
  nextSigningKeyThumbprint?: string;
};
export type TokenRequest = { newtId: string; secret: string };
export type TokenResponse = { token: string; serverVersion: string };

/** Every frame, both ways: text, JSON. To a newt `configVersion` is always there, a number >= 1. */
export type Envelope<T extends string = string, D = unknown> = { type: T; data: D; configVersion?: number };

export const AGENT_MESSAGE = {
  hello: 'agent/hello',
  welcome: 'agent/welcome',
  state: 'agent/state',
  /** Server → agent: `AgentTunnel`. */
  tunnel: 'agent/tunnel',
  applied: 'agent/applied',
  heartbeat: 'agent/heartbeat',
  reconnect: 'agent/reconnect',
  blueprint: 'agent/blueprint',
  blueprintResult: 'agent/blueprint-result',
  /** Agent → server: an acknowledgement (`BundleAck`). */
  bundle: 'agent/bundle',
  /** Agent → server: `LeaseRequest`; server → agent: `LeaseAnswer`. */
  lease: 'agent/lease',
  /** Agent → server: `AgentHealth`; server → agent, without data: all of it is to be told. */
  health: 'agent/health',
  /** Server → agent before close 4003: `RevocationNotice`. */
  revoked: 'agent/revoked',
  /** Server → agent: `AgentCredential`. */
  credential: 'agent/credential',
  error: 'error',
} as const;

export type AgentSiteStatus = 'pending' | 'approved';

/**
 * What an agent can do beyond the session itself. Unknown ones are ignored; `tunnel.h2` is said by who opens tunnels (docs/tunnel.md), `bundles` is said by who runs a program with
 * its bundle, `credentials` by who takes `agent/credential`.
 */
export type AgentCapability = 'tunnel.h2' | 'bundles' | 'credentials';

/** Agent → server, first message. `version` is the agent program's. */
export type AgentHello = {
  protocol: number;
  version: string;
  capabilities: string[];
  facts: AgentFacts;
  /** Of a site that has none yet. */
  bundleKey?: BundleKey;
};
/** What the machine says about itself; every field optional to the server. */
export type AgentFacts = {
  hostname?: string;
  os?: string;
  arch?: string;
  kernel?: string;
  node?: string;
  hardwareId?: string;
};

/** Server → agent, the answer to hello. An `agent/state` follows. */
export type AgentWelcome = {
  protocol: number;
  siteId: number;
  niceId: string;
  /** What people call the site; an older server does not say. */
  name?: string;
  status: AgentSiteStatus;
  serverVersion: string;
  heartbeatSeconds: number;
  /** false: the labels of containers are not to be sent. Absent is true. */
  dockerSocketEnabled?: boolean;
  /** For who names `tunnel.h2`: the tunnels that it is to keep. Absent: none. */
  tunnel?: AgentTunnel;
};

/**
 * Server → agent: the complete desired state, after the welcome and whenever it changes. A pending site gets its status and nothing else.
 * Approval reaches a connected agent as a new state with `status: 'approved'`.
 */
export type AgentState = {
  version: number;
  status: AgentSiteStatus;
  /** As in the welcome. */
  dockerSocketEnabled?: boolean;
  /** The profile's configuration document, once approved. */
  config?: Record<string, unknown> | null;
  /** The bundle to be had over HTTP; absent: nothing is known of one. The digest is absent until it was fetched. */
  bundle?: { version: number; digest?: string };
  /** What the tunnel may lead to (docs/tunnel.md rule 8); an absent list is an empty one. */
  targets?: AgentTarget[];
  healthChecks?: AgentHealthCheck[];
  resources?: AgentResource[];
};

/** Agent → server: what became of a state. */
export type AgentApplied = { version: number; ok: boolean; error?: string };
/** Agent → server: the version last applied, 0 before the first. Answered by `agent/state` when the server has a newer one. */
export type AgentHeartbeat = { version: number };
/**
 * Where a blueprint of an agent comes from: `file` stays the truth, what disappears from it is removed; `bootstrap` is applied once per
 * site; `labels` are those of the containers that run beside the agent.
 */
export type AgentBlueprintKind = 'file' | 'bootstrap' | 'labels';
/**
 * Agent → server: what the site exposes, templates filled in. Sent again, with the same id, until a result with that id came; a
 * server that knows the digest already answers `ok`. `document` is the JSON form of a blueprint (docs/blueprints.md).
 */
export type AgentBlueprint = {
  id: string;
  kind: AgentBlueprintKind;
  document: Record<string, unknown>;
  digest: string;
  /** Of labels: the containers themselves, each of which the server judges alone; the document is for one that does not. */
  containers?: AgentContainer[];
};
/** A running container: its `pangolin.` labels, and its ports inside. */
export type AgentContainer = {
  name: string;
  hostname?: string;
  labels: Readonly<Record<string, string>>;
  ports: readonly number[];
};
export type AgentBlueprintProblem = { path: string; message: string; line?: number; column?: number };
/** Server → agent: what became of it. `ok: false` is the server's last word until the document changes or an operator does something. */
export type AgentBlueprintResult = { id: string; ok: boolean; message: string; problems?: AgentBlueprintProblem[] };
/** What became of a target's health check (docs/health.md). */
export type TargetHealth = 'unknown' | 'healthy' | 'unhealthy';
/** `revision` is that of the check that it was found out by; `error`, why it is not healthy. */
export type AgentHealthResult = { targetId: number; revision: number; health: TargetHealth; error?: string };
/** Agent → server: what has changed, or all that the agent knows; at most `AGENT_LIMITS.healthResults` at once. */
export type AgentHealth = { results: AgentHealthResult[] };
/** Server → agent before a 1012: come back after this long, drawn at random by the server. */
export type AgentReconnect = { afterMs: number };
/** Server → agent: a message was not understood; never fatal. */
export type AgentError = { message: string; code?: string; originalMessage?: unknown };

/** What an agent may send. */
export type FromAgent =
  | Envelope<'agent/hello', AgentHello>
  | Envelope<'agent/applied', AgentApplied>
  | Envelope<'agent/heartbeat', AgentHeartbeat>
  | Envelope<'agent/blueprint', AgentBlueprint>
  | Envelope<'agent/bundle', BundleAck>
  | Envelope<'agent/lease', LeaseRequest>
  | Envelope<'agent/health', AgentHealth>;
/** What a Gatehouse agent may be sent. */
export type ToAgent =
  | Envelope<'agent/welcome', AgentWelcome>
  | Envelope<'agent/state', AgentState>
  | Envelope<'agent/tunnel', AgentTunnel>
  | Envelope<'agent/reconnect', AgentReconnect>
  | Envelope<'agent/blueprint-result', AgentBlueprintResult>
  | Envelope<'agent/lease', LeaseAnswer>
  | Envelope<'agent/revoked', RevocationNotice>
  | Envelope<'agent/credential', AgentCredential>
  | Envelope<'agent/health', Record<string, never>>
  | Envelope<'error', AgentError>;

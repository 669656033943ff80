/** What a newt sends over its websocket; `{name}` stands for what the fixture gave. */
export interface NewtMessage {
  type: string;
  data: Record<string, unknown>;
}

/** What a newt reads of a message to it; with `?` it may be absent. */
type Kind =
  | 'string'
  | 'integer'
  | 'boolean'
  | 'list'
  | 'object'
  | `${'string' | 'integer' | 'boolean' | 'list' | 'object'}?`;

export interface NewtHttpCall {
  method: 'POST';
  path: string;
  headers: Record<string, string>;
  body: Record<string, string>;
  /** The only status that it takes; absent: any success. */
  status?: number;
  /** Fields of `data` that must be text and not empty. */
  reads: string[];
  keeps: Record<string, string>;
}

/** Newts of some versions, as data: facts of what they send in their order, and read (docs/newt.md §2). */
export interface NewtFamily {
  versions: string;
  /** Before the websocket, in this order. */
  http: NewtHttpCall[];
  /** Once the socket is open. */
  sends: NewtMessage[];
  /** What must come, by type, with the fields that are read; other types it ignores. */
  answers: Record<string, Record<string, Kind>>;
  /** It reads `configVersion` of every message. */
  readsConfigVersion: boolean;
}

const HEADERS = { 'content-type': 'application/json', 'x-csrf-token': 'x-csrf-protection' };
const GET_TOKEN: NewtHttpCall = {
  method: 'POST',
  path: '/api/v1/auth/newt/get-token',
  headers: HEADERS,
  body: { newtId: '{newtId}', secret: '{secret}' },
  status: 200,
  reads: ['token'],
  keeps: { token: 'token' },
};
/** From 1.7 on it switches its clients off without a version of the server. */
const GET_TOKEN_WITH_VERSION: NewtHttpCall = { ...GET_TOKEN, reads: ['token', 'serverVersion'] };
const REGISTER = (body: Record<string, string>): NewtHttpCall => ({
  method: 'POST',
  path: '/api/v1/auth/newt/register',
  headers: HEADERS,
  body,
  reads: ['newtId', 'secret'],
  keeps: { newtId: 'newtId', secret: 'secret' },
});

const KEY = 'k3y000000000000000000000000000000000000000w=';
const EXIT_NODES = { 'newt/ping/exitNodes': { exitNodes: 'list' } } as const;
const EXIT_NODES_WITH_CHAIN = { 'newt/ping/exitNodes': { exitNodes: 'list', chainId: 'string' } } as const;
const RESULTS = { 'newt/blueprint/results': { success: 'boolean', message: 'string?' } } as const;
const CHECKS = { 'newt/healthcheck/add': { targets: 'list' } } as const;
const FETCH = { 'newt/socket/fetch': {} } as const;

const bandwidth: NewtMessage = { type: 'newt/receive-bandwidth', data: { bandwidthData: [] } };
const blueprint: NewtMessage = {
  type: 'newt/blueprint/apply',
  data: { blueprint: '{"private-resources":{"ssh":{"name":"SSH","mode":"host","destination":"localhost"}}}' },
};
const ping: NewtMessage = { type: 'newt/ping', data: {} };
const disconnecting: NewtMessage = { type: 'newt/disconnecting', data: {} };
const containers: NewtMessage = {
  type: 'newt/socket/containers',
  data: {
    containers: [
      {
        id: '0123456789ab',
        name: 'web',
        image: 'nginx:1',
        state: 'running',
        status: 'Up 3 minutes',
        ports: [{ privatePort: 80, publicPort: 8080, type: 'tcp', ip: '0.0.0.0' }],
        labels: {
          'pangolin.private-resources.{niceId}.name': 'Web',
          'pangolin.private-resources.{niceId}.mode': 'host',
          'pangolin.private-resources.{niceId}.destination': 'localhost',
        },
        created: 1_790_000_000,
        networks: { bridge: { networkId: 'n', endpointId: 'e', ipAddress: '172.17.0.2', ipPrefixLen: 16 } },
        hostname: '0123456789ab',
      },
    ],
  },
};
const health: NewtMessage = {
  type: 'newt/healthcheck/status',
  data: {
    targets: {
      '{targetId}': {
        status: 'healthy',
        lastCheck: '2026-11-29T00:00:00Z',
        checkCount: 1,
        lastError: '',
        config: { id: '{targetId}', hcEnabled: true, hcScheme: 'http', hcMode: 'http', hcInterval: 30 },
      },
    },
  },
};

/** Older than chain ids: an answer without one is good as well. */
const pingRequest = (chain: object): NewtMessage => ({ type: 'newt/ping/request', data: { noCloud: false, ...chain } });
const getConfig = (more: object): NewtMessage => ({
  type: 'newt/wg/get-config',
  data: { publicKey: KEY, port: 51820, ...more },
});
const register = (version: string, more: object): NewtMessage => ({
  type: 'newt/wg/register',
  data: { publicKey: KEY, newtVersion: version, ...more },
});
const chain = (id: string) => ({ chainId: id });

export const NEWT_FAMILIES: NewtFamily[] = [
  {
    versions: 'up to 1.1.3',
    http: [GET_TOKEN],
    sends: [{ type: 'newt/wg/register', data: { publicKey: KEY } }],
    answers: {},
    readsConfigVersion: false,
  },
  {
    versions: '1.3 and 1.4',
    http: [GET_TOKEN],
    sends: [pingRequest({}), getConfig({}), register('1.4.0', { backwardsCompatible: true }), bandwidth, containers],
    answers: { ...EXIT_NODES, ...FETCH },
    readsConfigVersion: false,
  },
  {
    versions: '1.5 to 1.9',
    http: [GET_TOKEN_WITH_VERSION],
    sends: [
      pingRequest({}),
      getConfig({}),
      blueprint,
      register('1.9.0', { backwardsCompatible: true }),
      bandwidth,
      health,
      containers,
    ],
    answers: { ...EXIT_NODES, ...FETCH, ...RESULTS, ...CHECKS },
    readsConfigVersion: false,
  },
  {
    versions: '1.10.3 and later',
    http: [GET_TOKEN_WITH_VERSION],
    sends: [
      ping,
      pingRequest(chain('00000000000000a1')),
      getConfig(chain('00000000000000a2')),
      blueprint,
      register('1.10.4', { backwardsCompatible: true, ...chain('00000000000000a3') }),
      bandwidth,
      health,
      containers,
      { type: 'ws/round-trip/complete', data: { messageId: 1, complete: true } },
      disconnecting,
    ],
    answers: { ...EXIT_NODES_WITH_CHAIN, ...FETCH, ...RESULTS, ...CHECKS },
    readsConfigVersion: true,
  },
  {
    versions: '1.11 to 1.13',
    http: [REGISTER({ provisioningKey: '{provisioningKey}', name: 'Replay 1.11' }), GET_TOKEN_WITH_VERSION],
    sends: [
      ping,
      pingRequest(chain('00000000000000b1')),
      getConfig(chain('00000000000000b2')),
      blueprint,
      register('1.12.5', { backwardsCompatible: true, ...chain('00000000000000b3') }),
      { type: 'newt/access-log', data: { compressed: 'eJyLjgUAARUAuQ==' } },
      { type: 'newt/request-log', data: { compressed: 'eJyLjgUAARUAuQ==' } },
      health,
      containers,
      disconnecting,
    ],
    answers: { ...EXIT_NODES_WITH_CHAIN, ...FETCH, ...RESULTS, ...CHECKS },
    readsConfigVersion: true,
  },
  {
    versions: '1.14 and 1.15',
    http: [REGISTER({ provisioningKey: '{provisioningKey}' }), GET_TOKEN_WITH_VERSION],
    sends: [
      ping,
      pingRequest(chain('00000000000000c1')),
      getConfig({ ...chain('00000000000000c2'), localEndpoints: ['192.0.2.7:51820'] }),
      blueprint,
      register('1.15.0', { backwardsCompatible: true, ...chain('00000000000000c3') }),
      bandwidth,
      health,
      { type: 'newt/socket/status', data: { available: true, socketPath: '/var/run/docker.sock' } },
      containers,
      disconnecting,
    ],
    answers: { ...EXIT_NODES_WITH_CHAIN, ...FETCH, ...RESULTS, ...CHECKS },
    readsConfigVersion: true,
  },
];

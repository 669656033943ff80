// @ts-check
import * as rules from './rules.mjs';

/** @typedef {{ fallback: string, about: string, rule?: rules.Rule }} Variable */

/** Every variable of the server, in the order of `.env.example`; `fallback` is what an unset variable means, `rule` what a set one may be. */
export const VARIABLES = {
  PORT: { rule: rules.whole(0, 65_535), fallback: '3000', about: 'Port of the API; 0 picks a free one.' },
  HOST: {
    rule: rules.host,
    fallback: '127.0.0.1',
    about: 'Address to listen on; 0.0.0.0 opens the server to the network.',
  },
  PUBLIC_URL: {
    rule: rules.origin,
    fallback: '',
    about:
      'How machines and browsers reach this server, for example https://gatehouse.example.com (default: made of HOST and PORT).',
  },
  TLS_CERT_FILE: {
    fallback: '',
    about: 'PEM certificate chain: serves HTTPS on PORT, read again when the file changes. Goes with TLS_KEY_FILE.',
  },
  TLS_KEY_FILE: { fallback: '', about: 'PEM private key of TLS_CERT_FILE.' },
  DEVICE_TLS_PORT: {
    rule: rules.whole(1, 65_535),
    fallback: '',
    about:
      'Port that serves machines alone, over TLS with TLS_CERT_FILE, and takes pre-shared keys and client certificates (default: none).',
  },
  MTLS_ON_MAIN_PORT: {
    rule: rules.yesOrNo,
    fallback: 'false',
    about:
      'true: PORT takes client certificates of machines as well; browsers are asked for one too, unless DEVICE_TLS_NAME is set.',
  },
  DEVICE_TLS_NAME: {
    rule: rules.domain,
    fallback: '',
    about:
      'Host name by which machines come to PORT with MTLS_ON_MAIN_PORT: only who names it is asked for a certificate (default: everybody).',
  },
  METRICS_PORT: {
    rule: rules.whole(0, 65_535),
    fallback: '',
    about: 'Port of the Prometheus metrics at /metrics (default: no metrics).',
  },
  TRUST_PROXY: {
    rule: rules.proxies,
    fallback: '',
    about: 'Addresses or CIDRs of proxies whose X-Forwarded-For is believed, comma separated (default: none).',
  },
  CLIENT_CERT_FROM: {
    rule: rules.proxies,
    fallback: '',
    about:
      'Addresses or CIDRs of proxies whose Client-Cert (RFC 9440) is believed, comma separated (default: none). Goes with CLIENT_CERT_SECRET_FILE.',
  },
  CLIENT_CERT_SECRET_FILE: {
    fallback: '',
    about: 'File with a secret of 32 or more characters that those proxies send in X-Gatehouse-Proxy.',
  },
  ORG_SUBNET: { rule: rules.subnet, fallback: '100.90.128.0/17', about: 'Address pool of a new organization.' },
  BASE_DOMAIN: {
    rule: rules.domain,
    fallback: 'localhost',
    about:
      'Domain whose names every organization may give to its resources; *.BASE_DOMAIN should point at this server.',
  },
  DNS_NAMESERVERS: {
    rule: rules.domains,
    fallback: '',
    about:
      'Name servers that a domain of type ns is delegated to, comma separated (default: ns1.BASE_DOMAIN, ns2.BASE_DOMAIN).',
  },
  DNS_CNAME_SUFFIX: {
    rule: rules.domain,
    fallback: '',
    about: 'Domain below which every domain of type cname gets a name to point at (default: cname.BASE_DOMAIN).',
  },
  DNS_SERVER_IP: {
    rule: rules.address,
    fallback: '',
    about:
      'Address that A records of domains of type wildcard should hold (default: the address in PUBLIC_URL, else 127.0.0.1).',
  },
  DNS_RESOLVERS: {
    rule: rules.resolvers,
    fallback: '',
    about:
      'Resolvers that verify domains, as addresses with or without a port, comma separated (default: those of the machine).',
  },
  RETENTION_DAYS: {
    rule: rules.whole(1, 36_500),
    fallback: '90',
    about: 'Days that claims, audit rows and events are kept.',
  },
  DATA_DIR: { fallback: './.gatehouse', about: 'Folder of the embedded database, the master key and first-run.txt.' },
  DATABASE_URL: {
    rule: rules.databaseUrl,
    fallback: '',
    about:
      'PostgreSQL 15 or newer, a direct or session-pooled connection (default: an embedded PostgreSQL 18 in DATA_DIR).',
  },
  DATABASE_POOL_SIZE: {
    rule: rules.whole(2, 1_000),
    fallback: '20',
    about: 'Database connections of one server process.',
  },
  START_WAIT_SECONDS: {
    rule: rules.whole(0, 86_400),
    fallback: '120',
    about: 'Seconds that a start waits for the database, or for another server that is starting, before it gives up.',
  },
  MASTER_KEY: {
    rule: rules.masterKey,
    fallback: '',
    about:
      '32 bytes in base64 (openssl rand -base64 32); required with DATABASE_URL, else made once in DATA_DIR/master.key.',
  },
  MASTER_KEY_PREVIOUS: {
    rule: rules.masterKey,
    fallback: '',
    about:
      'While the master key is changed: the one before (docs/credentials.md §8); in DATA_DIR/master.key it is the second line.',
  },
  ADMIN_EMAIL: {
    rule: rules.email,
    fallback: 'admin@example.com',
    about: 'Login of the first administrator, used on the first start only.',
  },
  ADMIN_PASSWORD: {
    rule: rules.password,
    fallback: '',
    about:
      'Password of the first administrator, 8 to 72 bytes, used on the first start only, which then prints no link to set up (default: generated).',
  },
  ROOT_API_KEY: {
    rule: rules.rootApiKey,
    fallback: '',
    about:
      'A root API key of your own, <id>.<secret of 32 or more characters>; changing it replaces the previous one (default: generated).',
  },
  SMTP_URL: {
    rule: rules.smtpUrl,
    fallback: '',
    about:
      'Mail server that sends invitations and codes, for example smtps://user:password@mail.example.com (default: no mail; the API answers the links). Goes with MAIL_FROM.',
  },
  MAIL_FROM: {
    rule: rules.sender,
    fallback: '',
    about: 'Sender of mails, for example Gatehouse <gatehouse@example.com>.',
  },
  SESSION_TTL_HOURS: { rule: rules.whole(1, 8_760), fallback: '168', about: 'Hours until a browser session ends.' },
  CLAIM_REFUSAL_FLOOR_MS: {
    rule: rules.whole(0, 10_000),
    fallback: '25',
    about: 'Milliseconds before which no claim is refused, so that refusals look alike.',
  },
  UNFINISHED_PER_ADDRESS: {
    rule: rules.whole(1, 1_000_000),
    fallback: '256',
    about:
      'Connections of one address on which a request has begun 10 s ago and not arrived, before the oldest are closed; proxies of TRUST_PROXY have no share.',
  },
  UNFINISHED_TOTAL: { rule: rules.whole(1, 1_000_000), fallback: '1024', about: 'The same, of all addresses.' },
  UNREAD_SECONDS: {
    rule: rules.whole(1, 86_400),
    fallback: '300',
    about:
      'Seconds in which a client is to read an answer, before its connection is closed; streams of events have no end.',
  },
  UNREAD_MEGABYTES: {
    rule: rules.whole(1, 1_000_000),
    fallback: '256',
    about:
      'Megabytes of answers that clients have not read yet, before connections of the address that holds most are closed, the oldest first.',
  },
  REFUSALS_PER_MINUTE: {
    rule: rules.whole(1, 1_000_000_000),
    fallback: '600',
    about: 'Refused claims, tokens and logins a minute, per address and per public id, before refusals become 429.',
  },
  SERVER_ROLES: {
    rule: rules.roles,
    fallback: 'agents,jobs,edge',
    about:
      'What this process does beside the API, as a list: agents (takes their sessions), jobs (does the steps of long work), edge (takes public traffic). Of several processes on one database some may leave one out.',
  },
  EDGE_PORT: {
    rule: rules.whole(0, 65_535),
    fallback: '8080',
    about:
      'Port of the public resources; 0 picks a free one. Unless it is set, a port that another program has is done without.',
  },
  EDGE_HOST: { rule: rules.host, fallback: '', about: 'Address on which public resources are served (default: HOST).' },
  EDGE_PROXY_PROTOCOL: {
    rule: rules.yesOrNo,
    fallback: 'false',
    about:
      'true: connections to EDGE_PORT begin with a header of the PROXY protocol, version 1 or 2, and are taken from TRUST_PROXY alone.',
  },
  EDGE_TLS_PORT: {
    rule: rules.whole(0, 65_535),
    fallback: '',
    about:
      'Port of the public resources over TLS: HTTPS and HTTP/2 with the certificates of EDGE_CERT_DIR (default: none).',
  },
  EDGE_CERT_DIR: {
    fallback: '',
    about:
      'Folder of certificates for EDGE_TLS_PORT: <name>.crt with its chain and <name>.key, PEM; a name may be *.example.com. Read again when they change.',
  },
  INTERNAL_PORT: {
    rule: rules.whole(0, 65_535),
    fallback: '',
    about:
      'Port on which a proxy in front of the edge asks, without credentials, which hosts there are, of all organizations (docs/behind-a-proxy.md; default: none).',
  },
  INTERNAL_HOST: { rule: rules.host, fallback: '127.0.0.1', about: 'Address of INTERNAL_PORT.' },
  RAW_PORTS: {
    rule: rules.portRanges,
    fallback: '',
    about:
      'Ports on which raw resources (TCP and UDP) are served, at EDGE_HOST: ranges such as 20000-20999, comma separated (default: none, and no raw resource can be made).',
  },
  EDGE_STALE_SECONDS: {
    rule: rules.whole(0, 86_400),
    fallback: '900',
    about:
      'Seconds for which public resources are served by what was known last, while the database cannot be followed.',
  },
  GEOIP_DB: {
    fallback: '',
    about: 'File in MaxMind format that rules by country and region go by, read again when it changes (default: none).',
  },
  GEOIP_ASN_DB: { fallback: '', about: 'The same for rules by network (ASN).' },
  TUNNELS_PER_AGENT: {
    rule: rules.whole(0, 8),
    fallback: '2',
    about:
      'Tunnel connections that each Gatehouse agent keeps (docs/tunnel.md rule 3), to different server processes where there are several; 0: none.',
  },
  HOP_PORT: {
    rule: rules.whole(0, 65_535),
    fallback: '0',
    about:
      'Port on which other server processes on this database reach the tunnels of this one (docs/edge.md rule 17); 0 picks a free one.',
  },
  HOP_HOST: {
    rule: rules.host,
    fallback: '127.0.0.1',
    about:
      'Address of that listener, which must be one that the other processes reach; 0.0.0.0 and :: are announced as the name of this machine.',
  },
  AGENT_URL: {
    rule: rules.origin,
    fallback: '',
    about:
      'How agents reach this very process with their tunnels, where PUBLIC_URL leads to several processes (default: PUBLIC_URL).',
  },
  LOCAL_TARGETS: {
    rule: rules.localTargets,
    fallback: '',
    about:
      'What the server itself may dial for sites of type local (docs/health.md), as orgId=CIDR:ports, comma separated, such as acme=10.0.0.0/24:80,acme=[fd00::]/8:8000-8999; ports may be * (default: nothing).',
  },
  LOG_LEVEL: { rule: rules.logLevel, fallback: 'info', about: 'fatal, error, warn, info, debug, trace or silent.' },
};

/** Variables of the agent program, which may share a machine (and its environment) with the server; test/agent-variables.spec.ts compares. */
export const AGENT_VARIABLES = new Set([
  'GATEHOUSE_HARDWARE_ID',
  'GATEHOUSE_CREDENTIAL',
  'GATEHOUSE_EPHEMERAL',
  'GATEHOUSE_STATE_KEY_FILE',
  'GATEHOUSE_TRUST_FINGERPRINT',
  'GATEHOUSE_NO_WAIT',
  'GATEHOUSE_WAIT',
  'GATEHOUSE_ENV_ALLOW',
  'GATEHOUSE_DEPENDENCY_ALLOW',
  'GATEHOUSE_ALLOW',
]);

/** What `.env.example` must contain; config.spec.ts compares. */
export function renderEnvExample() {
  const head =
    '# Gatehouse reads this file as `.env` from the folder it is started in; the environment wins over it.\n';
  const parts = Object.entries(VARIABLES).map(([name, { fallback, about }]) => `\n# ${about}\n#${name}=${fallback}\n`);
  return head + parts.join('');
}

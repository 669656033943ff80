/**
 * Every setting of the agent, once: newt's flags, environment names and file keys (docs/newt.md §1.3) and Gatehouse's own.
 * Flags, help, precedence and --show-config are all derived from this table.
 */
export type SettingKind = 'string' | 'boolean' | 'list';

/** `wireguard`: only means something with a WireGuard tunnel; `later`: comes with a later version. Both are accepted and warned about. */
export type SettingUse = 'used' | 'wireguard' | 'later';

export type Setting = {
  flag?: string;
  env?: string;
  /** Key in the config file and name in code. */
  key: string;
  kind: SettingKind;
  use: SettingUse;
  /** What it is without any source. */
  fallback: string | boolean | string[];
  secret?: boolean;
  /** Only flag and environment may set it. */
  notInFile?: boolean;
  help: string;
};

type Rest = Partial<Omit<Setting, 'key' | 'kind' | 'use'>>;
const row = (key: string, kind: SettingKind, use: SettingUse, rest: Rest): Setting => ({
  key,
  kind,
  use,
  fallback: kind === 'boolean' ? false : kind === 'list' ? [] : '',
  help: '',
  ...rest,
});
const wireguard = (flag: string, env: string | undefined, key: string, kind: SettingKind = 'string') =>
  row(key, kind, 'wireguard', { flag, ...(env ? { env } : {}) });
const later = (flag: string, env: string, key: string, kind: SettingKind = 'string') =>
  row(key, kind, 'later', { flag, env });

export const SETTINGS: readonly Setting[] = [
  row('endpoint', 'string', 'used', {
    flag: 'endpoint',
    env: 'PANGOLIN_ENDPOINT',
    help: 'base URL of the server, with scheme',
  }),
  row('id', 'string', 'used', { flag: 'id', env: 'NEWT_ID', help: 'site id of an existing credential' }),
  row('secret', 'string', 'used', {
    flag: 'secret',
    env: 'NEWT_SECRET',
    secret: true,
    help: 'secret of that credential',
  }),
  row('provisioningKey', 'string', 'used', {
    flag: 'provisioning-key',
    env: 'NEWT_PROVISIONING_KEY',
    secret: true,
    help: 'key to exchange for a credential (visible in the process list: prefer the file)',
  }),
  row('provisioningKeyFile', 'string', 'used', {
    flag: 'provisioning-key-file',
    env: 'NEWT_PROVISIONING_KEY_FILE',
    help: 'file that holds the provisioning key; - reads standard input',
  }),
  row('name', 'string', 'used', {
    flag: 'name',
    env: 'NEWT_NAME',
    help: 'name of the site, sent with the claim; {{env.X}} is filled in',
  }),
  row('hardwareId', 'string', 'used', {
    flag: 'hardware-id',
    env: 'GATEHOUSE_HARDWARE_ID',
    help: "stable id of this machine, or `machine` to take the hardware's own; default: a random UUID made once",
  }),
  row('credential', 'string', 'used', {
    flag: 'credential',
    env: 'GATEHOUSE_CREDENTIAL',
    fallback: 'newt',
    help: 'what to claim: `newt` for id and secret, `certificate` for a client certificate (endpoint: DEVICE_TLS_PORT of the server)',
  }),
  row('ephemeral', 'boolean', 'used', {
    flag: 'ephemeral',
    env: 'GATEHOUSE_EPHEMERAL',
    help: "have the site removed when it has been offline for as long as the key's template says",
  }),
  row('stateKeyFile', 'string', 'used', {
    flag: 'state-key-file',
    env: 'GATEHOUSE_STATE_KEY_FILE',
    notInFile: true,
    help: "file with the key that seals this machine's credential on disk; default: systemd's credential gatehouse-state-key",
  }),
  row('trustFingerprint', 'string', 'used', {
    flag: 'trust-fingerprint',
    env: 'GATEHOUSE_TRUST_FINGERPRINT',
    help: 'signing key of the organization, as the server prints it; default: the one that the claim names',
  }),
  row('wait', 'string', 'used', {
    flag: 'wait',
    env: 'GATEHOUSE_WAIT',
    fallback: '60',
    help: 'run, bundle pull: seconds to wait for a server that does not answer, or `forever`',
  }),
  row('bundleDir', 'string', 'used', {
    flag: 'bundle-dir',
    help: "run: folder for the bundle's files; default: one in memory, where there is one",
  }),
  row('user', 'string', 'used', { flag: 'user', help: 'run: start the program as this user' }),
  row('envAllow', 'list', 'used', {
    flag: 'env-allow',
    env: 'GATEHOUSE_ENV_ALLOW',
    help: 'run, bundle pull: the only variables that a bundle may set, * for any characters; repeatable',
  }),
  row('dependencyAllow', 'list', 'used', {
    flag: 'dependency-allow',
    env: 'GATEHOUSE_DEPENDENCY_ALLOW',
    help: 'run, bundle pull: host, or beginning of a URL, that dependencies may come from; repeatable',
  }),
  row('allow', 'list', 'used', {
    flag: 'allow',
    env: 'GATEHOUSE_ALLOW',
    help: 'CIDR[:PORTS], such as 10.0.0.0/8:443: the only addresses that tunnel and health checks lead to, whatever the server says; IPv6 with ports in brackets; repeatable',
  }),
  row('noWait', 'boolean', 'used', {
    flag: 'no-wait',
    env: 'GATEHOUSE_NO_WAIT',
    help: 'exit instead of waiting for network, key or approval',
  }),
  row('healthFile', 'string', 'used', {
    flag: 'health-file',
    env: 'HEALTH_FILE',
    help: 'file that holds `ok` while connected',
  }),
  row('logLevel', 'string', 'used', {
    flag: 'log-level',
    env: 'LOG_LEVEL',
    fallback: 'INFO',
    help: 'DEBUG, INFO, WARN, ERROR or FATAL',
  }),
  row('tlsClientCertFile', 'string', 'used', {
    flag: 'tls-client-cert-file',
    env: 'TLS_CLIENT_CERT',
    help: 'client certificate (PEM), together with its key',
  }),
  row('tlsClientKey', 'string', 'used', {
    flag: 'tls-client-key',
    env: 'TLS_CLIENT_KEY',
    help: 'key of the client certificate (PEM)',
  }),
  row('tlsClientCa', 'list', 'used', {
    flag: 'tls-client-ca',
    env: 'TLS_CLIENT_CAS',
    help: 'CA file (PEM) that the server must chain to; repeatable',
  }),
  row('tlsClientCert', 'string', 'used', {
    flag: 'tls-client-cert',
    env: 'TLS_CLIENT_CERT_PKCS12',
    help: 'client certificate and key as PKCS12 without password (deprecated)',
  }),
  row('skipTlsVerify', 'boolean', 'used', {
    env: 'SKIP_TLS_VERIFY',
    notInFile: true,
    help: 'accept any server certificate',
  }),
  row('blueprintFile', 'string', 'used', {
    flag: 'blueprint-file',
    env: 'BLUEPRINT_FILE',
    help: 'blueprint that stays the truth about what this site exposes; followed as it changes',
  }),
  row('provisioningBlueprintFile', 'string', 'used', {
    flag: 'provisioning-blueprint-file',
    env: 'PROVISIONING_BLUEPRINT_FILE',
    help: 'blueprint that is applied once, to begin with',
  }),
  row('dockerSocket', 'string', 'used', {
    flag: 'docker-socket',
    env: 'DOCKER_SOCKET',
    help: 'Docker engine, or a proxy of its socket: a path, or unix:// tcp:// http:// https://; the labels of its containers are a blueprint',
  }),

  row('enforceHcCert', 'boolean', 'used', {
    flag: 'enforce-hc-cert',
    env: 'ENFORCE_HC_CERT',
    help: 'health checks over TLS fail with a certificate that is not good; any will do without it',
  }),
  later('docker-enforce-network-validation', 'DOCKER_ENFORCE_NETWORK_VALIDATION', 'dockerEnforceNetworkValidation'),
  later('metrics', 'NEWT_METRICS_PROMETHEUS_ENABLED', 'metrics', 'boolean'),
  later('otlp', 'NEWT_METRICS_OTLP_ENABLED', 'otlp', 'boolean'),
  later('metrics-admin-addr', 'NEWT_ADMIN_ADDR', 'metricsAdminAddr'),
  later('metrics-async-bytes', 'NEWT_METRICS_ASYNC_BYTES', 'metricsAsyncBytes', 'boolean'),
  later('pprof', 'NEWT_PPROF_ENABLED', 'pprof', 'boolean'),
  later('region', 'NEWT_REGION', 'region'),

  wireguard('prefer-endpoint', undefined, 'preferEndpoint'),
  wireguard('no-cloud', 'NO_CLOUD', 'noCloud', 'boolean'),
  wireguard('mtu', 'MTU', 'mtu'),
  wireguard('dns', 'DNS', 'dns'),
  wireguard('interface', 'INTERFACE', 'interface'),
  wireguard('port', 'PORT', 'port'),
  wireguard('native', 'USE_NATIVE_INTERFACE', 'native', 'boolean'),
  wireguard('native-main', 'USE_NATIVE_MAIN_INTERFACE', 'nativeMain', 'boolean'),
  wireguard('interface-main', 'INTERFACE_MAIN', 'interfaceMain'),
  wireguard('ping-interval', 'PING_INTERVAL', 'pingInterval'),
  wireguard('ping-timeout', 'PING_TIMEOUT', 'pingTimeout'),
  wireguard('udp-proxy-idle-timeout', 'NEWT_UDP_PROXY_IDLE_TIMEOUT', 'udpProxyIdleTimeout'),
  wireguard('disable-clients', 'DISABLE_CLIENTS', 'disableClients', 'boolean'),
  wireguard('disable-ssh', 'DISABLE_SSH', 'disableSsh', 'boolean'),
  wireguard('updown', 'UPDOWN_SCRIPT', 'updownScript'),
  { ...wireguard('ad-pre-shared-key', 'AD_KEY', 'adPreSharedKey'), secret: true },
  wireguard('ad-principals-file', 'AD_PRINCIPALS_FILE', 'adPrincipalsFile'),
  wireguard('ad-ca-cert-path', 'AD_CA_CERT_PATH', 'adCaCertPath'),
  wireguard('ad-generate-random-password', 'AD_GENERATE_RANDOM_PASSWORD', 'adGenerateRandomPassword', 'boolean'),
  wireguard('auth-daemon', undefined, 'authDaemon', 'boolean'),
];

/** The settings that the program reads, typed. */
export type Settings = {
  endpoint: string;
  id: string;
  secret: string;
  provisioningKey: string;
  provisioningKeyFile: string;
  name: string;
  hardwareId: string;
  credential: string;
  ephemeral: boolean;
  stateKeyFile: string;
  trustFingerprint: string;
  wait: string;
  bundleDir: string;
  user: string;
  envAllow: string[];
  allow: string[];
  enforceHcCert: boolean;
  dependencyAllow: string[];
  noWait: boolean;
  healthFile: string;
  logLevel: string;
  tlsClientCertFile: string;
  tlsClientKey: string;
  tlsClientCa: string[];
  tlsClientCert: string;
  skipTlsVerify: boolean;
  blueprintFile: string;
  provisioningBlueprintFile: string;
  dockerSocket: string;
};

export type SettingValue = string | boolean | string[];
export type SettingSource = 'cli' | 'env' | 'file' | 'default';

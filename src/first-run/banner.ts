import { enrolLine } from '#contracts';

/** What the first start made and shows once. A secret that the operator brought along is not among them. */
export interface FirstSecrets {
  adminEmail: string;
  /** undefined: it was set by ADMIN_PASSWORD. */
  adminPassword?: string;
  /** undefined: it was set by ROOT_API_KEY. */
  rootApiKey?: string;
  provisioningKey: string;
  /** Whose statements the machines that it enrols are to trust (docs/instances.md §3.1). */
  trust: string;
  uses: number;
  validUntil: Date;
}

export interface Place {
  version: string;
  publicUrl: URL;
  /** Address that the server listens on. */
  host: string;
  port: number;
  /** Whether PUBLIC_URL is set, not made of `host` and `port`. */
  publicUrlGiven: boolean;
  /** An address by which others may reach this machine, when it has one. */
  machineAddress?: string;
  /** Of public resources; absent: this process serves none. */
  edgePort?: number;
  deviceTlsPort?: number;
  metricsPort?: number;
  dataDir: string;
  /** Set when the embedded database had to be put outside DATA_DIR. */
  databaseDir?: string;
}

/** Where everything is: printed at every start. */
export function whereabouts(place: Place): string {
  const { version, publicUrl, edgePort, deviceTlsPort, metricsPort, dataDir, databaseDir } = place;
  const { origin } = publicUrl;
  return lines(
    `Gatehouse ${version} is running.`,
    '',
    row('Dashboard', `${origin}/`),
    row('API', `${origin}/api/v1`),
    row('API docs', `${origin}/api/docs`),
    row('Health', `${origin}/healthz`),
    ...(edgePort === undefined ? [] : [row('Public resources', `port ${edgePort}`)]),
    ...(deviceTlsPort === undefined ? [] : [row('Devices', `port ${deviceTlsPort}, TLS`)]),
    ...(metricsPort === undefined ? [] : [row('Metrics', `port ${metricsPort}, /metrics`)]),
    row('Data', dataDir),
    ...(databaseDir === undefined ? [] : [row('Database', databaseDir)]),
    ...reach(place),
  );
}

/** What to change where other machines cannot reach the server, or are told an address that is their own. */
function reach({ publicUrl, host, port, publicUrlGiven, machineAddress }: Place): string[] {
  if (publicUrlGiven || !isLoopback(publicUrl.hostname)) return [];
  const url = `PUBLIC_URL=${publicUrl.protocol}//${machineAddress ?? 'ADDRESS-OF-THIS-MACHINE'}:${port}`;
  return [
    '',
    isLoopback(host)
      ? 'Only this machine can reach it. For others, put these two lines into .env and start it again:'
      : 'Machines are told an address that is their own. Put this line into .env and start it again:',
    '',
    ...(isLoopback(host) ? ['HOST=0.0.0.0'] : []),
    url,
  ];
}

const isLoopback = (host: string): boolean => /^(localhost|127\..*|\[?::1\]?)$/.test(host);

/** The secrets of the first start, for the terminal and for first-run.txt. */
export function firstSecrets(made: FirstSecrets, publicUrl: URL): string {
  return lines(
    row('Administrator', `${made.adminEmail}  ${made.adminPassword ?? '(the password is ADMIN_PASSWORD)'}`),
    row('Root API key', made.rootApiKey ?? '(the one in ROOT_API_KEY)'),
    row('Provisioning key', made.provisioningKey),
    row('', `for ${made.uses} sites, until ${minute(made.validUntil)}`),
    '',
    isLoopback(publicUrl.hostname)
      ? 'Enrol this machine, by this line (it needs node and a shell):'
      : 'Enrol a machine, by this line on it (it needs node and a shell):',
    '',
    enrolLine(publicUrl.origin, made.provisioningKey, made.trust),
  );
}

/** The link that sets the installation up: its token is in the fragment, which no browser sends. */
export function setupLink(publicUrl: URL, token: string): string {
  return lines(
    'Set it up in a browser, by this link (once, within 24 hours):',
    '',
    `${publicUrl.origin}/setup#token=${token}`,
  );
}

/** How to go on, where nothing is shown any more. */
export function nextKey(publicUrl: URL): string {
  return lines(
    'Make another provisioning key (25 sites), with a root key in ROOT_API_KEY:',
    '',
    `curl -X PUT ${publicUrl.origin}/api/v1/org/default/site-provisioning-key -H "Authorization: Bearer $ROOT_API_KEY" -H 'Content-Type: application/json' -d '{"name":"more machines","maxBatchSize":25}'`,
    '',
    'A lost root key or password: npm run admin -- root-key create, npm run admin -- reset-password EMAIL',
  );
}

const row = (label: string, value: string): string => `  ${label.padEnd(18)}${value}`;
const lines = (...parts: string[]): string => `${parts.join('\n')}\n`;
const minute = (date: Date): string => `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;

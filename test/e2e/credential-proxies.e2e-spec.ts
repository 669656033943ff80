import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newHardwareId, provision } from '../support/api.js';
import { selfSigned } from '../support/certificate.js';
import { clientCert, DeviceKey } from '../support/device-certificates.js';
import { ask, type TlsOptions } from '../support/device-tls.js';
import { TestFleet } from '../support/devices.js';
import { hasProgram } from '../support/readme.js';
import { freePort, startServer, type TestServer, until } from '../support/server.js';

const SELF = '/api/v1/device/self';
const SECRET = 's'.repeat(40);
const NGINX_MODULE = '/usr/lib/nginx/modules/ngx_http_js_module.so';
const page = readFileSync(new URL('../../docs/credentials.md', import.meta.url), 'utf8');

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-proxies-'));
const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
let server: TestServer;
let fleet: TestFleet;
let provisioningKey: string;

beforeAll(async () => {
  const pair = await selfSigned('0f');
  writeFileSync(cert, pair.cert);
  writeFileSync(key, pair.key);
  writeFileSync(join(folder, 'secret'), SECRET);
  const env = {
    CLIENT_CERT_FROM: '127.0.0.1',
    CLIENT_CERT_SECRET_FILE: join(folder, 'secret'),
    TRUST_PROXY: '127.0.0.1',
  };
  server = await startServer({ env });
  fleet = await TestFleet.create(server);
  provisioningKey = (await fleet.org.keyUnder({ credentialType: 'certificate' }, { approveNewSites: true }))
    .siteProvisioningKey;
});
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The lines of docs/credentials.md §5 for a proxy, for this server. */
const lines = (after: string): string =>
  new RegExp(`\\n${after}[^\`]*\`\`\`\\w*\\n([\\s\\S]*?)\`\`\``)
    .exec(page)![1]!
    .replaceAll('127.0.0.1:3000', `127.0.0.1:${server.port}`)
    .replaceAll('the secret', SECRET);

/** @returns how nginx is run, with the least around the lines. */
function nginx(port: number): string[] {
  const text = lines('nginx');
  const script = /# client-cert\.js: (.*)\n/.exec(text)![1]!;
  writeFileSync(join(folder, 'client-cert.js'), script);
  const listening = `server {\n  listen 127.0.0.1:${port} ssl;\n  ssl_certificate ${cert};\n  ssl_certificate_key ${key};`;
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder};`);
  writeFileSync(
    join(folder, 'nginx.conf'),
    `load_module ${NGINX_MODULE};\ndaemon off;\nmaster_process off;\npid ${folder}/nginx.pid;\nerror_log stderr;\nevents {}\n` +
      `http {\naccess_log off;\n${paths.join('\n')}\njs_path ${folder};\n${text.replace('server {', listening)}}\n`,
  );
  return ['-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf')];
}

/** @returns how Caddy is run: the lines under another name, with a certificate that is there. */
function caddy(port: number): string[] {
  const text = lines('Caddy').replace('gatehouse.example.com {', `https://localhost:${port} {`);
  writeFileSync(join(folder, 'Caddyfile'), `{\n  admin off\n}\n${text.replace('tls {', `tls ${cert} ${key} {`)}`);
  return ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'];
}

type Asked = TlsOptions & { headers?: Record<string, string | string[]> };

async function claim() {
  const own = await DeviceKey.make();
  const { body } = await provision(server.url, {
    provision_key: provisioningKey,
    hardware_id: newHardwareId(),
    csr: own.csr,
  });
  return {
    deviceId: body.device_id,
    field: clientCert(body.certificate!),
    pair: { cert: body.certificate!, key: own.pem },
  };
}

describe.each([
  {
    program: 'nginx',
    isFound: hasProgram('nginx') && existsSync(NGINX_MODULE),
    configure: nginx,
  },
  { program: 'caddy', isFound: hasProgram('caddy'), configure: caddy },
])('behind $program, by the lines of docs/credentials.md §5, where it is', ({ program, isFound, configure }) => {
  let proxy: ChildProcess;
  let port: number;
  let printed = '';

  /** By the name that the lines are for. */
  const asked = ({ headers = {}, ...options }: Asked, path = SELF) =>
    ask(port, path, { ...options, servername: 'localhost', headers: { host: `localhost:${port}`, ...headers } });

  beforeAll(async () => {
    if (!isFound) return;
    port = await freePort();
    const env = { PATH: process.env['PATH'] ?? '', HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
    proxy = spawn(program, configure(port), { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [proxy.stdout!, proxy.stderr!]) stream.on('data', (data: Buffer) => (printed += String(data)));
    await until(async () => {
      if (proxy.exitCode !== null) throw new Error(`${program} ended with ${proxy.exitCode}:\n${printed}`);
      return (await asked({}, '/healthz').catch(() => undefined))?.status === 200;
    });
  });
  afterAll(async () => {
    if (!proxy || proxy.exitCode !== null) return;
    proxy.kill('SIGKILL');
    await once(proxy, 'exit');
  });

  it.skipIf(!isFound)('the certificate of the client counts, and none that the client tells', async () => {
    const [device, victim] = [await claim(), await claim()];
    const itself = { status: 200, body: { device_id: device.deviceId } };
    expect(await asked(device.pair)).toMatchObject(itself);
    const forged = { 'client-cert': victim.field, 'x-gatehouse-proxy': SECRET };
    expect(await asked({ ...device.pair, headers: forged })).toMatchObject(itself);
    const twice = { 'client-cert': [victim.field, victim.field], 'client-cert-chain': victim.field };
    expect(await asked({ ...device.pair, headers: twice })).toMatchObject(itself);
    for (const headers of [undefined, forged, twice, { 'Client-Cert-Chain': victim.field }])
      expect((await asked(headers ? { headers } : {})).status).toBe(401);
    // Dropped by the proxy, or refused here.
    for (const name of ['client_cert', 'Client_Cert', 'client_cert_chain', 'client-cert_chain']) {
      const { status, body } = await asked({ ...device.pair, headers: { [name]: victim.field } });
      expect({ name, answer: status === 400 ? itself : { status, body } }).toMatchObject({ name, answer: itself });
    }
  });

  it.skipIf(!isFound)('EST is over TLS, and asks for a key', async () => {
    const path = '/.well-known/est/cacerts';
    expect((await asked({}, path)).status).toBe(401);
    expect((await fetch(`${server.url}${path}`)).status).toBe(403);
  });

  it.skipIf(!isFound)('a revoked site is refused on the connection that the proxy keeps', async () => {
    const device = await claim();
    expect((await asked(device.pair)).status).toBe(200);
    const [row] = await fleet.sql<{ id: number }>('SELECT site_id::int AS id FROM site WHERE device_id = $1', [
      device.deviceId,
    ]);
    await fleet.root.expect('POST', `/site/${row!.id}/revoke`, {});
    expect((await asked(device.pair)).status).toBe(401);
  });
});

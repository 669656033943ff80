import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newHardwareId, provision } from '../support/api.js';
import { clientCert, DeviceKey } from '../support/device-certificates.js';
import { ask, type TlsOptions } from '../support/device-tls.js';
import { TestFleet } from '../support/devices.js';
import { configOf, ForeignProxy, hasNewCaddy, hasNginxScripts, NGINX_SCRIPTS } from '../support/foreign-proxy.js';
import { freePort, startServer, type TestServer } from '../support/server.js';

const SELF = '/api/v1/device/self';
const SECRET = 's'.repeat(40);

let proxy: ForeignProxy;
let server: TestServer;
let fleet: TestFleet;
let provisioningKey: string;

beforeAll(async () => {
  proxy = await ForeignProxy.create();
  const env = {
    CLIENT_CERT_FROM: '127.0.0.1',
    CLIENT_CERT_SECRET_FILE: proxy.file('secret', SECRET),
    TRUST_PROXY: '127.0.0.1',
  };
  server = await startServer({ env });
  fleet = await TestFleet.create(server);
  provisioningKey = (await fleet.org.keyUnder({ credentialType: 'certificate' }, { approveNewSites: true }))
    .siteProvisioningKey;
});
afterAll(async () => {
  await proxy?.stop();
  await server?.stop();
});

/** The lines of docs/credentials.md §5 for a proxy, for this server. */
const lines = (after: string): string =>
  configOf('docs/credentials.md', after)
    .replaceAll('127.0.0.1:3000', `127.0.0.1:${server.port}`)
    .replaceAll('the secret', SECRET);

/** @returns how nginx is run, with the least around the lines. */
function nginx(port: number): string[] {
  const text = lines('nginx');
  proxy.file('client-cert.js', /# client-cert\.js: (.*)\n/.exec(text)![1]!);
  const { folder, cert, key } = proxy;
  const listening = `server {\n  listen 127.0.0.1:${port} ssl;\n  ssl_certificate ${cert};\n  ssl_certificate_key ${key};`;
  return proxy.nginx(`js_path ${folder};\n${text.replace('server {', listening)}`, `load_module ${NGINX_SCRIPTS};\n`);
}

/** @returns how Caddy is run: the lines under another name, with a certificate that is there. */
function caddy(port: number): string[] {
  const { folder, cert, key } = proxy;
  const text = lines('Caddy').replace('gatehouse.example.com {', `https://localhost:${port} {`);
  proxy.file('Caddyfile', `{\n  admin off\n}\n${text.replace('tls {', `tls ${cert} ${key} {`)}`);
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
  { program: 'nginx', isFound: hasNginxScripts(), configure: nginx },
  { program: 'caddy', isFound: hasNewCaddy(), configure: caddy },
])('behind $program, by the lines of docs/credentials.md §5, where it is', ({ program, isFound, configure }) => {
  let port: number;

  /** By the name that the lines are for. */
  const asked = ({ headers = {}, ...options }: Asked, path = SELF) =>
    ask(port, path, { ...options, servername: 'localhost', headers: { host: `localhost:${port}`, ...headers } });

  beforeAll(async () => {
    if (!isFound) return;
    port = await freePort();
    await proxy.run(program, configure(port), async () => (await asked({}, '/healthz')).status === 200);
  });
  afterAll(() => proxy.kill());

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

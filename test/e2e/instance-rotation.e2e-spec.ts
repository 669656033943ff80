import { afterAll, beforeAll, expect, it } from 'vitest';
import { acceptBundle } from '../../libs/agent/src/instance/bundle.js';
import { bundleKeyPair, publicHalf } from '../../libs/agent/src/instance/bundle-key.js';
import { upToDate } from '../../libs/agent/src/instance/instance.js';
import { acceptLease } from '../../libs/agent/src/instance/lease.js';
import { TrustChain } from '../../libs/agent/src/instance/trust.js';
import { Api, newHardwareId, newNonce, newtToken, register, TestOrg } from '../support/api.js';
import { secretValue } from '../support/secret-values.js';
import { freePort, startServer, type TestServer, until } from '../support/server.js';
import { TestSession } from '../support/session.js';

const INSTANCES = 200;
/** Instances that speak at the same moment. */
const AT_ONCE = 16;

let server: TestServer;
let root: Api;
let org: TestOrg;
beforeAll(async () => {
  server = await startServer({ env: { LOG_LEVEL: 'trace', METRICS_PORT: String(await freePort()) } });
  root = Api.root(server);
  org = await TestOrg.create(root);
});
afterAll(() => server?.stop());

/** An answer that no instance may get while keys and secrets rotate. */
class FailedRequest extends Error {}

/** A machine without the agent program around it: it claims, fetches, proves what it got with the agent's own checks, and connects. */
class Instance {
  private readonly key = bundleKeyPair({});
  private readonly identity = { hardwareId: newHardwareId(), claimNonce: newNonce() };
  private newtId = '';
  private secret = '';
  private trust!: TrustChain;
  private device: string | undefined;
  private organization: string | undefined;
  private version = 0;
  private prev: string | null = null;
  /** The value that its program would run with. */
  value: string | undefined;

  async claim(provisioningKey: string): Promise<void> {
    const { status, text, body } = await register(server.url, {
      provisioningKey,
      ...this.identity,
      bundleKey: publicHalf(this.key),
    });
    if (status !== 201) throw new FailedRequest(`claim: ${status} ${text}`);
    const data = body.data as unknown as { newtId: string; secret: string } & Record<string, string>;
    [this.newtId, this.secret] = [data.newtId, data.secret];
    this.trust = TrustChain.from({ kid: data['signingKeyThumbprint']!, next: data['nextSigningKeyThumbprint']! }, []);
  }

  async run(): Promise<void> {
    const { payload, digest } = await upToDate(() => this.bundle());
    this.value = payload.env['VALUE']?.join('');
    [this.device, this.organization, this.version] = [payload.sub, payload.iss, payload.ver];
    await upToDate(() => this.lease());
    await this.send('POST', '/device/bundle/ack', { version: payload.ver, digest, state: 'applied' });
    const { status, body, text } = await newtToken(server.url, this.newtId, this.secret);
    if (status !== 200) throw new FailedRequest(`token: ${status} ${text}`);
    const session = await TestSession.connect(server.wsUrl, body.data.token);
    await session.hello();
    session.ws.close();
    await session.closed;
  }

  private async bundle() {
    const response = await this.send('GET', '/device/bundle');
    return acceptBundle(await response.text(), this.trust, () => this.lead(), {
      key: this.key,
      org: this.organization,
      device: this.device,
      version: this.version,
    });
  }

  /** The bundle may have got a newer version in between: then the lease is for that one, and the next round fetches it. */
  private async lease(): Promise<void> {
    const nonce = newNonce();
    const response = await this.send('POST', '/device/lease', { nonce, prev: this.prev, ver: this.version });
    const { data } = (await response.json()) as { data: { lease: string } };
    const { jti } = await acceptLease(data.lease, this.trust, () => this.lead(), {
      nonce,
      org: this.organization!,
      device: this.device!,
      version: this.version,
    });
    this.prev = jti;
  }

  private async lead() {
    const { data } = (await (await this.send('GET', '/device/trust')).json()) as {
      data: { keys: unknown[]; successions: string[] };
    };
    return data;
  }

  private async send(method: string, path: string, body?: object): Promise<Response> {
    const response = await fetch(`${server.url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(`${this.newtId}:${this.secret}`).toString('base64')}`,
        ...(body ? { 'content-type': 'application/json' } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (!response.ok) throw new FailedRequest(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response;
  }
}

it('provisioning key, secret and signing key rotate under 200 instances that claim, fetch and reconnect: nothing fails, nothing is orphaned', async () => {
  await root.expect('PUT', org.path('secret'), { name: 'VALUE', value: secretValue('value 1') });
  const { profileId } = await root.expect<{ profileId: number }>('PUT', org.path('provisioning-profile'), {
    name: 'rotation',
  });
  await root.expect('PUT', org.path(`provisioning-profile/${profileId}/bootstrap`), {
    document: 'env:\n  VALUE: "{{secret.VALUE}}"\n',
  });
  const key = await org.keyUnder(
    { profileId, approveNewSites: true, hardwareIdPattern: '^[0-9a-f-]+$' },
    { maxBatchSize: 1000, validUntil: new Date(Date.now() + 86_400_000).toISOString() },
  );

  let token = key.siteProvisioningKey;
  let done = false;
  const instances = Array.from({ length: INSTANCES }, () => new Instance());
  const lanes = Array.from({ length: AT_ONCE }, async (_, lane) => {
    const mine = instances.filter((_instance, i) => i % AT_ONCE === lane);
    for (const instance of mine) {
      await instance.claim(token);
      await instance.run();
    }
    while (!done) for (const instance of mine) await instance.run();
  });
  let failure: unknown;
  const working = Promise.all(lanes).catch((error: unknown) => {
    failure = error;
    done = true;
  });
  const sites = async () => (await org.sites()).pagination.total;
  const reached = (count: number) => until(async () => failure !== undefined || (await sites()) >= count);

  await reached(20);
  const rotated = await root.expect<{ siteProvisioningKey: string }>(
    'POST',
    org.path(`site-provisioning-key/${key.siteProvisioningKeyId}/rotate`),
    { overlapSeconds: 3600 },
  );
  token = rotated.siteProvisioningKey;
  await reached(80);
  await root.expect('POST', org.path('secret/VALUE/version'), {
    value: secretValue('value 2'),
    rollout: { canary: 1, perMinute: null },
  });
  await reached(140);
  await root.expect('POST', org.path('signing-key/rotate'), {});
  await reached(INSTANCES);
  await root.expect('POST', org.path('signing-key/rotate'), {});
  await until(async () => failure !== undefined || instances.every(({ value }) => value === secretValue('value 2')));
  done = true;
  await working;
  expect(failure).toBeUndefined();
  expect(await sites()).toBe(INSTANCES);

  const settled = await until(async () => {
    const secret = await root.expect<{ settledVersion: number }>('GET', org.path('secret/VALUE'));
    return secret.settledVersion === 2 && secret;
  });
  expect(settled).toMatchObject({ usedBySites: INSTANCES });
  // Nobody uses the old version any more: it can be destroyed without force.
  await root.expect('DELETE', org.path('secret/VALUE/version/1'));
});

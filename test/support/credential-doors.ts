import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { type CredentialKind, type RenewedCredential, TUNNEL } from '#contracts';
import { newHardwareId } from './api.js';
import { clientCert, DeviceKey } from './device-certificates.js';
import {
  type Asking,
  ask,
  askUpgrade,
  connectSession,
  connectTls,
  type TlsOptions,
  type TlsReply,
  type TlsServer,
  withPsk,
} from './device-tls.js';
import { basic, certificatesIn } from './est.js';
import type { Refused, TestSession } from './session.js';

/** What a proxy sends that is believed. */
export const PROXY_SECRET = 's'.repeat(40);
const CSR = { 'content-type': 'application/pkcs10' };

/** What a claim or a renewal answered, and the key that its certificate is for. */
interface Issued {
  answer: Partial<RenewedCredential>;
  key?: DeviceKey;
}

/** What a client proves itself with: in its handshake, in its headers, or by a token that it gets for what is in a body. */
interface Proof {
  tls?: TlsOptions;
  headers?: Record<string, string>;
  token?: { path: string; body?: object };
}

/** A kind of credential at one of the places that take it. */
export interface Door {
  name: string;
  kind: CredentialKind;
  port(server: TlsServer): number;
  claim(at: TlsServer, provisioningKey: string): Promise<Issued>;
  proof(issued: Issued): Proof;
  /** Whether the connection itself is the client's, and ends with the credential. */
  ownsConnection: boolean;
  /** Whatever is wrong with who renews, the answer is that of EST to everybody. */
  refusesAlike?: true;
  /** @returns what is asked of `renew`, and how its answer is read. */
  renewal(deviceId: string): Promise<{ path: string; asking: Asking; issued(reply: TlsReply): Issued }>;
}

const listener = (server: TlsServer): number => server.devicePort;
const mainPort = (server: TlsServer): number => server.server.port;

/** The claim of devices. */
async function claimDevice(port: number, provisioningKey: string, key?: DeviceKey): Promise<Issued> {
  const body = { provision_key: provisioningKey, hardware_id: newHardwareId(), ...(key ? { csr: key.csr } : {}) };
  const reply = await ask(port, '/api/v1/provision', { body });
  if (reply.status !== 201) throw new Error(`not claimed: ${reply.status} ${reply.text}`);
  return { answer: reply.body, ...(key ? { key } : {}) };
}

async function renewal(key?: DeviceKey) {
  return {
    path: '/api/v1/device/credential/renew',
    asking: { body: key ? { csr: key.csr } : {} },
    issued: ({ body }: TlsReply): Issued => ({ answer: body, ...(key ? { key } : {}) }),
  };
}

const certificateDoor = (at: (server: TlsServer) => number): Omit<Door, 'name'> => ({
  kind: 'certificate',
  port: at,
  claim: async (server, provisioningKey) => claimDevice(at(server), provisioningKey, await DeviceKey.make()),
  proof: ({ answer, key }) => ({ tls: { cert: answer.certificate!, key: key!.pem } }),
  ownsConnection: true,
  renewal: async () => renewal(await DeviceKey.make()),
});

const inAnswer = (text: string): RenewedCredential => ({
  credential_type: 'certificate',
  expires_at: null,
  certificate: certificatesIn(text)[0]!.toString(),
});

export const DOORS: Door[] = [
  {
    name: 'API key',
    kind: 'api_key',
    port: mainPort,
    claim: (server, provisioningKey) => claimDevice(mainPort(server), provisioningKey),
    proof: ({ answer }) => ({
      headers: { authorization: `Bearer ${answer.api_key}` },
      token: { path: '/api/v1/auth/device/get-token' },
    }),
    ownsConnection: false,
    renewal: () => renewal(),
  },
  {
    name: 'newt',
    kind: 'newt',
    port: listener,
    async claim(server, provisioningKey) {
      const reply = await ask(server.devicePort, '/api/v1/auth/newt/register', {
        body: { provisioningKey, hardwareId: newHardwareId() },
      });
      if (reply.status !== 201) throw new Error(`not claimed: ${reply.status} ${reply.text}`);
      const { newtId, secret } = reply.body['data'] as { newtId: string; secret: string };
      return { answer: { credential_type: 'newt', newt_id: newtId, secret } };
    },
    proof: ({ answer: { newt_id: newtId, secret } }) => ({
      headers: { authorization: basic(newtId!, secret!) },
      token: { path: '/api/v1/auth/newt/get-token', body: { newtId, secret } },
    }),
    ownsConnection: false,
    renewal: () => renewal(),
  },
  {
    name: 'PSK',
    kind: 'psk',
    port: listener,
    claim: (server, provisioningKey) => claimDevice(server.devicePort, provisioningKey),
    proof: ({ answer }) => ({ tls: withPsk(answer.psk_identity!, answer.psk!) }),
    ownsConnection: true,
    renewal: () => renewal(),
  },
  { name: 'certificate at the listener', ...certificateDoor(listener) },
  { name: 'certificate on the main port', ...certificateDoor(mainPort) },
  {
    name: 'certificate behind a proxy',
    ...certificateDoor(mainPort),
    proof: ({ answer }) => ({
      headers: { 'client-cert': clientCert(answer.certificate!), 'x-gatehouse-proxy': PROXY_SECRET },
    }),
    ownsConnection: false,
  },
  {
    name: 'certificate by EST',
    ...certificateDoor(listener),
    async claim(server, provisioningKey) {
      const key = await DeviceKey.make();
      const reply = await ask(server.devicePort, '/.well-known/est/simpleenroll', {
        body: key.base64,
        headers: { ...CSR, authorization: basic(newHardwareId(), provisioningKey) },
      });
      if (reply.status !== 200) throw new Error(`not enrolled: ${reply.status} ${reply.text}`);
      return { answer: inAnswer(reply.text), key };
    },
    refusesAlike: true,
    async renewal(deviceId) {
      const key = await DeviceKey.make(`CN=${deviceId}`);
      return {
        path: '/.well-known/est/simplereenroll',
        asking: { body: key.base64, headers: CSR },
        issued: ({ text }) => ({ answer: inAnswer(text), key }),
      };
    },
  },
];

/**
 * What became of somebody who presented a credential. `expired`: it was told that it may renew; `revoked`: with a statement to believe; `refused`: told
 * nothing; `no handshake`: as with a wrong pre-shared key; `asked to enrol`: as everybody by EST.
 */
export type Outcome = 'in' | 'expired' | 'revoked' | 'refused' | 'no handshake' | 'asked to enrol';

/** A credential of a site, at one door, as its device has it. */
export class DoorCredential {
  private constructor(
    readonly door: Door,
    readonly deviceId: string,
    private readonly issued: Issued,
  ) {}

  /** @param deviceIdOf of a newt, whose claim does not say it */
  static async claim(
    door: Door,
    at: TlsServer,
    provisioningKey: string,
    deviceIdOf: (newtId: string) => Promise<string>,
  ): Promise<DoorCredential> {
    const issued = await door.claim(at, provisioningKey);
    const { answer } = issued;
    const told = (answer as { device_id?: string }).device_id;
    const named = answer.certificate && new X509Certificate(answer.certificate).subject.slice('CN='.length);
    return new DoorCredential(door, told ?? named ?? (await deviceIdOf(answer.newt_id!)), issued);
  }

  /** The next one, as a session was handed it. */
  followedBy(answer: RenewedCredential): DoorCredential {
    return new DoorCredential(this.door, this.deviceId, { answer });
  }

  /** What the server made that proves it. */
  get secrets(): string[] {
    const { api_key, secret, psk } = this.issued.answer;
    return [api_key, secret, psk].flatMap((one) => one || []);
  }

  /** What is secret, or proves it, and what it is known by. */
  get values(): string[] {
    const { api_key, newt_id, secret, psk_identity, psk, certificate } = this.issued.answer;
    return [api_key, newt_id, secret, psk_identity, psk, certificate, this.issued.key?.pem].flatMap((one) => one || []);
  }

  /** One request, on a connection of its own or on one that is kept. */
  ask(at: TlsServer, path: string, asking: Asking = {}): Promise<TlsReply> {
    const { tls, headers } = this.proof;
    const all = { ...headers, ...(asking.on ? { connection: 'keep-alive' } : {}), ...asking.headers };
    return ask(this.door.port(at), path, { ...tls, ...asking, headers: all });
  }

  /** A connection for requests of this client, which stays open. */
  keep(at: TlsServer): Promise<TLSSocket> {
    return connectTls(this.door.port(at), this.proof.tls);
  }

  /** Asks the device API who it is. */
  async self(at: TlsServer, on?: TLSSocket): Promise<Outcome> {
    const reply = await this.ask(at, '/api/v1/device/self', on ? { on } : {}).catch((error: Error) => error);
    return this.outcomeOf(reply);
  }

  /** Asks for the next one. */
  async renew(at: TlsServer): Promise<{ outcome: Outcome; next?: DoorCredential }> {
    const { path, asking, issued } = await this.door.renewal(this.deviceId);
    const reply = await this.ask(at, path, asking).catch((error: Error) => error);
    if (reply instanceof Error || reply.status >= 400) return { outcome: this.outcomeOf(reply) };
    return { outcome: 'in', next: new DoorCredential(this.door, this.deviceId, issued(reply)) };
  }

  /** Gets a token, by whatever proves it. @returns it, or the refusal */
  async token(at: TlsServer): Promise<string | TlsReply> {
    const { path, body } = this.proof.token ?? { path: '/api/v1/auth/device/get-token' };
    const reply = await this.ask(at, path, { method: 'POST', ...(body ? { body } : {}) });
    return reply.status === 200 ? (reply.body['data'] as { token: string }).token : reply;
  }

  /** Begins a session: by a token where the kind needs one, else by what the connection proves. @throws Refused, TlsReply or Error */
  async connect(at: TlsServer): Promise<TestSession> {
    const { tls, headers, token: by } = this.proof;
    const port = this.door.port(at);
    if (!by) return connectSession(port, { ...tls, headers: headers ?? {} });
    const token = await this.token(at);
    if (typeof token !== 'string') throw token;
    return connectSession(port, { headers: { authorization: `Bearer ${token}` } });
  }

  /** Asks for a tunnel, proved as a session is. @throws TlsReply without a token */
  async tunnel(at: TlsServer) {
    const { tls, headers, token: by } = this.proof;
    const token = by ? await this.token(at) : undefined;
    if (typeof token === 'object') throw token;
    const proof =
      token === undefined ? { ...tls, headers: headers ?? {} } : { headers: { authorization: `Bearer ${token}` } };
    return askUpgrade(this.door.port(at), TUNNEL.path, TUNNEL.protocol, proof);
  }

  /** Begins a session, and ends it again. @param token one that was given before */
  async begin(at: TlsServer, token?: string): Promise<Outcome> {
    const connecting =
      token === undefined
        ? this.connect(at)
        : connectSession(this.door.port(at), { headers: { authorization: `Bearer ${token}` } });
    const found = await connecting.catch((refusal: Refused | TlsReply | Error) => refusal);
    if (!('ws' in found)) return this.outcomeOf(found);
    await found.close();
    return 'in';
  }

  private get proof(): Proof {
    return this.door.proof(this.issued);
  }

  /** @throws what is none of them, so that a test shows it */
  private outcomeOf(reply: { status: number; body: object } | Error): Outcome {
    if (reply instanceof Error) {
      if (/alert number 47/.test(reply.message)) return 'no handshake';
      throw reply;
    }
    const { status } = reply;
    const { code, data, device_id: deviceId } = reply.body as Record<string, unknown>;
    if (status === 200 && deviceId === this.deviceId) return 'in';
    if (status === 401 && code === undefined && this.door.refusesAlike) return 'asked to enrol';
    if (status === 401 && code === 'credential_unusable') {
      const told = Object.keys(data ?? {});
      if (told.length === 0) return 'refused';
      if (told.join() === 'renewable') return 'expired';
      if (told.includes('revocation')) return 'revoked';
    }
    throw new Error(`answered with ${status} ${JSON.stringify(reply.body)}`);
  }
}

import { randomBytes, randomUUID } from 'node:crypto';
import { ApiContract } from './openapi.js';
import { requireMarkIn } from './secret-values.js';
import type { TestServer } from './server.js';

export interface Reply<T = Record<string, unknown>> {
  status: number;
  headers: Headers;
  /** Parsed JSON, or the text. */
  body: T;
  text: string;
}

/** Served as they are; everything else is below /api/v1. */
const WITH_PREFIX = /^\/(v1|api|healthz|readyz|agent|install\.sh|\.well-known)(\/|\?|$)/;

/** A small HTTP client: JSON in, JSON out, one credential. Every answer is held against the server's own OpenAPI document. */
export class Api {
  constructor(
    readonly url: string,
    readonly authorization?: string,
    readonly extra: Record<string, string> = {},
  ) {}

  /** The root key of a test server. */
  static root(server: TestServer): Api {
    return new Api(server.url, server.rootKey);
  }

  as(authorization: string | undefined, extra: Record<string, string> = {}): Api {
    return new Api(this.url, authorization, extra);
  }

  get = <T = never>(path: string) => this.send<T>('GET', path);
  put = <T = never>(path: string, body?: unknown) => this.send<T>('PUT', path, body);
  post = <T = never>(path: string, body?: unknown) => this.send<T>('POST', path, body);
  patch = <T = never>(path: string, body?: unknown) => this.send<T>('PATCH', path, body);
  delete = <T = never>(path: string, body?: unknown) => this.send<T>('DELETE', path, body);

  /** `T` is the type of `data` in the envelope. */
  async send<T>(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<Reply<{ data: T; message: string; code?: string; success: boolean }>> {
    const target = `${WITH_PREFIX.test(path) ? '' : '/api/v1'}${path}`;
    const response = await fetch(`${this.url}${target}`, {
      method,
      headers: {
        ...(this.authorization ? { authorization: `Bearer ${this.authorization}` } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...this.extra,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    if (response.ok) requireMarkIn(method, path, body);
    const text = await response.text();
    let parsed: unknown = text;
    try {
      parsed = JSON.parse(text);
    } catch {
      // not JSON: the text itself
    }
    if (response.headers.get('content-type')?.startsWith('application/json'))
      (await ApiContract.of(this.url))?.check(method, target, response.status, parsed);
    return { status: response.status, headers: response.headers, body: parsed as never, text };
  }

  /** Like `send`, but anything but success throws. @returns `data`. */
  async expect<T>(method: string, path: string, body?: unknown): Promise<T> {
    const reply = await this.send<T>(method, path, body);
    if (reply.status >= 300) throw new Error(`${method} ${path}: ${reply.status} ${reply.text}`);
    return reply.body.data;
  }
}

export interface TestKey {
  siteProvisioningKeyId: string;
  siteProvisioningKey: string;
  numUsed: number;
  state: string;
  generations: { generation: number; uses: number; state: string; lastUsedIp: string | null }[];
}

export interface Provisioned {
  device_id: string;
  api_key: string;
  credential_type: string;
  psk_identity?: string;
  psk?: string;
  certificate?: string;
  certificate_chain?: string;
}

/** An organization of its own, with what tests do in it. */
export class TestOrg {
  private constructor(
    readonly root: Api,
    readonly orgId: string,
  ) {}

  static async create(root: Api, extra: Record<string, unknown> = {}): Promise<TestOrg> {
    const orgId = typeof extra['orgId'] === 'string' ? extra['orgId'] : `org-${randomBytes(5).toString('hex')}`;
    await root.expect('PUT', '/org', {
      orgId,
      name: orgId,
      subnet: '100.90.128.0/17',
      utilitySubnet: '100.96.128.0/20',
      ...extra,
    });
    return new TestOrg(root, orgId);
  }

  path = (rest: string) => `/org/${this.orgId}/${rest}`;

  template = (body: Record<string, unknown>) =>
    this.root.expect<{ templateId: number }>('PUT', this.path('provisioning-template'), {
      name: randomUUID(),
      ...body,
    });

  key = (body: Record<string, unknown> = {}) =>
    this.root.expect<TestKey>('PUT', this.path('site-provisioning-key'), {
      name: 'test',
      ...(body['oneTime'] ? {} : { maxBatchSize: null }),
      ...body,
    });

  readKey = (id: string) => this.root.expect<TestKey>('GET', this.path(`site-provisioning-key/${id}`));

  /** A key under a template of its own. */
  async keyUnder(template: Record<string, unknown>, key: Record<string, unknown> = {}): Promise<TestKey> {
    const { templateId } = await this.template(template);
    return this.key({ templateId, ...key });
  }

  sites = async (query = '') =>
    await this.root.expect<{
      sites: { siteId: number; niceId: string; name: string; status: string; online: boolean; address: string }[];
      pagination: { total: number };
    }>('GET', this.path(`sites?pageSize=1000${query}`));
}

export const newNonce = () => randomBytes(32).toString('base64url');
export const newHardwareId = () => randomUUID();

/** POST /api/v1/provision. */
export async function provision(
  url: string,
  body: Record<string, unknown>,
): Promise<Reply<Provisioned & { error?: string }>> {
  return (await new Api(url).post('/provision', {
    device_name: 'device',
    hardware_id: newHardwareId(),
    ...body,
  })) as never;
}

/** POST /api/v1/auth/newt/register. */
export const register = (url: string, body: Record<string, unknown>) =>
  new Api(url).post<{ newtId: string; secret: string }>('/auth/newt/register', body);

/** POST get-token of either kind. */
export const newtToken = (url: string, newtId: string, secret: string) =>
  new Api(url).post<{ token: string; serverVersion: string }>('/auth/newt/get-token', { newtId, secret });
export const deviceToken = (url: string, apiKey: string) =>
  new Api(url, apiKey).post<{ token: string }>('/auth/device/get-token');

import { randomBytes, randomUUID } from 'node:crypto';
import bcrypt from 'bcrypt';
import { ACTIONS, type Action } from '#contracts';
import { Api, newNonce, provision, type TestKey } from './api.js';
import { queryDatabase } from './database.js';
import { logIn } from './log-in.js';
import { secretValue } from './secret-values.js';
import type { TestServer } from './server.js';

export const PASSWORD = 'a password of a test';

export interface FixtureUser {
  userId: string;
  email: string;
  api: Api;
}

export interface FixtureSite {
  siteId: number;
  niceId: string;
  hardwareId: string;
  deviceKey: string;
}

/** Who asks in walks: one of each kind, all of one organization. */
export interface Callers {
  /** An API key with every action, one with none. */
  key: Api;
  keyId: string;
  bareKey: Api;
  admin: FixtureUser;
  member: FixtureUser;
  /** A site's own key, and a provisioning key used as a bearer. */
  device: Api;
  provisioning: Api;
}

/**
 * An organization with something of everything in it. Every name in it holds the organization's id, so that an answer that shows
 * anything of it to strangers can be told. Methods make one more of a thing: for calls that use it up.
 */
export class FixtureOrg {
  callers!: Callers;
  templateId!: number;
  profileId!: number;
  groupId!: number;
  domainId!: string;
  roleId!: number;
  clientId!: number;
  resourceId!: number;
  siteResourceId!: number;
  targetId!: number;
  key!: TestKey;
  pendingKey!: TestKey;
  approved!: FixtureSite;
  pending!: FixtureSite;
  private subnets = 0;

  private constructor(
    readonly server: TestServer,
    readonly root: Api,
    readonly orgId: string,
  ) {}

  static async open(server: TestServer): Promise<FixtureOrg> {
    const root = Api.root(server);
    const fixture = new FixtureOrg(server, root, `fixture-${randomBytes(5).toString('hex')}`);
    await root.expect('PUT', '/org', {
      orgId: fixture.orgId,
      name: fixture.name('org'),
      subnet: '100.90.128.0/17',
      utilitySubnet: '100.96.128.0/20',
    });
    fixture.groupId = await fixture.group();
    fixture.profileId = await fixture.profile();
    fixture.templateId = await fixture.template();
    fixture.key = await fixture.provisioningKey();
    fixture.pendingKey = await fixture.provisioningKey({ approveNewSites: false });
    fixture.approved = await fixture.site('approved');
    fixture.pending = await fixture.site('pending');
    fixture.domainId = await fixture.domain();
    fixture.clientId = await fixture.client();
    fixture.resourceId = await fixture.resource();
    fixture.siteResourceId = await fixture.siteResource();
    fixture.targetId = await fixture.target(fixture.resourceId);
    [{ roleId: fixture.roleId }] = (await fixture.sql(
      'SELECT role_id AS "roleId" FROM role WHERE org_id = $1 AND name = $2',
      [fixture.orgId, 'Member'],
    )) as [{ roleId: number }];
    await fixture.tombstone();
    await fixture.range();
    const [key, bare] = [await fixture.apiKey(ACTIONS), await fixture.apiKey()];
    fixture.callers = {
      key: key.api,
      keyId: key.apiKeyId,
      bareKey: bare.api,
      admin: await fixture.user('Admin'),
      member: await fixture.user('Member'),
      device: root.as(fixture.approved.deviceKey),
      provisioning: root.as(fixture.key.siteProvisioningKey),
    };
    return fixture;
  }

  /** `path('sites')` of this organization. */
  path = (rest: string) => `/org/${this.orgId}/${rest}`;
  /** A name that nothing else has. */
  name = (what: string) => `${this.orgId}-${what}-${randomBytes(4).toString('hex')}`;
  sql = <Row extends object>(text: string, values: unknown[] = []) =>
    queryDatabase<Row>(this.server.databaseUrl, text, values);

  /** A range that no other range of this organization overlaps. */
  cidr = () => `10.${++this.subnets}.0.0/24`;

  /** A name that nothing else has, as a domain. */
  domainName = () => `${this.name('domain').toLowerCase()}.example.com`;
  /** A verified one. */
  domain = async () =>
    (
      await this.root.expect<{ domainId: string }>('PUT', this.path('domain'), {
        type: 'wildcard',
        baseDomain: this.domainName(),
      })
    ).domainId;
  /** A public resource on the fixture's domain, with the whitelist switched on. */
  async resource(): Promise<number> {
    const body = { http: true, protocol: 'tcp', domainId: this.domainId, subdomain: this.name('r').toLowerCase() };
    const { resourceId } = await this.make<{ resourceId: number }>('resource', body);
    await this.root.expect('POST', `/resource/${resourceId}`, { emailWhitelistEnabled: true });
    return resourceId;
  }
  /** A private resource on the approved site. */
  siteResource = async () =>
    (
      await this.make<{ siteResourceId: number }>('site-resource', {
        mode: 'host',
        destination: '10.1.2.3',
        siteId: this.approved.siteId,
      })
    ).siteResourceId;
  /** A target on the approved site. */
  target = async (resourceId: number) =>
    (
      await this.root.expect<{ targetId: number }>('PUT', `/resource/${resourceId}/target`, {
        siteId: this.approved.siteId,
        ip: 'localhost',
        port: 80,
        method: 'http',
      })
    ).targetId;
  group = async () => (await this.make<{ groupId: number }>('group', {})).groupId;
  profile = async () =>
    (await this.make<{ profileId: number }>('provisioning-profile', { groupIds: [this.groupId] })).profileId;
  template = async (body: object = {}) =>
    (
      await this.make<{ templateId: number }>('provisioning-template', {
        profileId: this.profileId,
        groupIds: [this.groupId],
        ...body,
      })
    ).templateId;
  provisioningKey = (body: object = {}) =>
    this.make<TestKey>('site-provisioning-key', { templateId: this.templateId, maxBatchSize: null, ...body });
  range = async () =>
    (await this.root.expect<{ rangeId: number }>('PUT', this.path('address-range'), { cidr: this.cidr() })).rangeId;

  async apiKey(actions: readonly Action[] = []): Promise<{ apiKeyId: string; api: Api }> {
    const { apiKeyId, apiKey } = await this.make<{ apiKeyId: string; apiKey: string }>('api-key', {});
    if (actions.length > 0)
      await this.root.expect('POST', this.path(`api-key/${apiKeyId}/actions`), { actionIds: actions });
    return { apiKeyId, api: this.root.as(`${apiKeyId}.${apiKey}`) };
  }

  /** A site that a machine claimed. */
  async site(status: 'approved' | 'pending'): Promise<FixtureSite> {
    const hardwareId = this.name('hardware');
    const { siteProvisioningKey } = status === 'approved' ? this.key : this.pendingKey;
    const claimed = await provision(this.root.url, {
      provision_key: siteProvisioningKey,
      device_name: this.name('site'),
      hardware_id: hardwareId,
      claim_nonce: newNonce(),
    });
    if (claimed.status !== 201) throw new Error(`claim: ${claimed.status} ${claimed.text}`);
    const { sites } = await this.root.expect<{ sites: { siteId: number; niceId: string }[] }>(
      'GET',
      this.path(`sites?hardwareId=${hardwareId}`),
    );
    return { ...sites[0]!, hardwareId, deviceKey: claimed.body.api_key };
  }

  /** What makes a machine client. */
  async newClient(): Promise<Record<string, unknown>> {
    const { olmId, olmSecret, subnet } = await this.root.expect<{ olmId: string; olmSecret: string; subnet: string }>(
      'GET',
      this.path('pick-client-defaults'),
    );
    return { name: this.name('client'), olmId, secret: olmSecret, subnet, type: 'olm' };
  }
  client = async () =>
    (await this.root.expect<{ clientId: number }>('PUT', this.path('client'), await this.newClient())).clientId;

  /** A site made by an operator, with its newt credentials. */
  newtSite = () => this.make<{ siteId: number; newtId: string; secret: string }>('site', { type: 'newt' });

  /** @returns the hardware id that is refused from now on. */
  async tombstone(): Promise<string> {
    const { siteId, hardwareId } = await this.site('pending');
    await this.root.expect('DELETE', `/site/${siteId}`);
    return hardwareId;
  }

  /** A job of a kind that no server does, so that it stays as it is. */
  async job(status: 'queued' | 'paused' = 'queued'): Promise<number> {
    const [row] = await this.sql<{ jobId: number }>(
      `INSERT INTO job (org_id, kind, input, status, total, created_by_kind, created_by_name) VALUES ($1, 'fixture', '{}', $2, 3, 'system', 'fixture')
       RETURNING job_id AS "jobId"`,
      [this.orgId, status],
    );
    return row!.jobId;
  }

  /** A secret with two versions, the first of which nothing uses. @returns its name */
  async secret(): Promise<string> {
    const name = this.secretName();
    await this.root.expect('PUT', this.path('secret'), { name, value: secretValue(this.name('value')) });
    await this.root.expect('POST', this.path(`secret/${name}/version`), { value: secretValue(this.name('value')) });
    return name;
  }
  secretName = () => this.name('secret').toUpperCase().replace(/-/g, '_');

  role = async () => (await this.make<{ roleId: number }>('role', {})).roleId;

  /** @returns the token as the link has it. */
  async invitation(email: string): Promise<{ inviteId: string; token: string }> {
    const { inviteLink } = await this.root.expect<{ inviteLink: string }>('POST', this.path('create-invite'), {
      email,
      roleIds: [this.roleId],
      validHours: 1,
    });
    const token = new URL(inviteLink).searchParams.get('token')!;
    return { inviteId: token.split('-')[0]!, token };
  }

  /** A user who is no member. */
  async outsider(): Promise<{ userId: string; email: string }> {
    const userId = randomUUID();
    const email = `${this.name('outsider')}@example.com`.toLowerCase();
    await this.sql('INSERT INTO "user" (user_id, email, username, email_verified) VALUES ($1, $2, $2, true)', [
      userId,
      email,
    ]);
    return { userId, email };
  }

  /** A user whose mailbox is not proven, with the code that was mailed to it. */
  async unproven(): Promise<{ userId: string; code: string }> {
    const { userId } = await this.outsider();
    const code = this.name('code');
    await this.sql('UPDATE "user" SET email_verified = false WHERE user_id = $1', [userId]);
    await this.sql(
      `INSERT INTO mailbox_code (code_hash, user_id, expires_at) VALUES (sha256($1::bytea), $2, now() + interval '1 hour')`,
      [code, userId],
    );
    return { userId, code };
  }

  /** An account with a link for a new password. */
  async resetLink(): Promise<{ userId: string; token: string }> {
    const { userId } = await this.outsider();
    const token = this.name('reset');
    await this.sql(
      `INSERT INTO password_reset (user_id, token_hash, mailed, expires_at) VALUES ($2, sha256($1::bytea), true, now() + interval '1 hour')`,
      [token, userId],
    );
    return { userId, token };
  }

  /** Somebody logged in: the rows are written here, because an invitation takes a slow hash. */
  async user(role: 'Admin' | 'Member' | 'Viewer'): Promise<FixtureUser> {
    const userId = randomUUID();
    const email = `${this.name(role)}@example.com`.toLowerCase();
    await this.sql(
      'INSERT INTO "user" (user_id, email, username, password_hash, email_verified) VALUES ($1, $2, $2, $3, true)',
      [userId, email, await bcrypt.hash(PASSWORD, 4)],
    );
    await this.sql('INSERT INTO membership (org_id, user_id) VALUES ($1, $2)', [this.orgId, userId]);
    await this.sql('INSERT INTO membership_role SELECT org_id, $2, role_id FROM role WHERE org_id = $1 AND name = $3', [
      this.orgId,
      userId,
      role,
    ]);
    return { userId, email, api: await logIn(this.root.url, email, PASSWORD) };
  }

  private make<T>(noun: string, body: object): Promise<T> {
    return this.root.expect<T>('PUT', this.path(noun), { name: this.name(noun), ...body });
  }
}

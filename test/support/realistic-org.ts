import { randomUUID } from 'node:crypto';
import bcrypt from 'bcrypt';
import { Api, newNonce, provision, type TestKey } from './api.js';
import { queryDatabase } from './database.js';
import { GROUPS, hardwareId, machineName, PEOPLE, RESOURCES } from './realistic-names.js';
import { addTraffic } from './realistic-traffic.js';
import { secretValue } from './secret-values.js';
import { holds, nameIn, versionId } from './secrets.js';
import type { TestServer } from './server.js';

const PASSWORD = 'a password of a test';
const DOMAIN = 'nordwerk.example.com';
/** What the machines of the fixture become, in the order in which they claimed. */
const STATES = { online: 122, offline: 26, never_connected: 20, suspended: 6, revoked: 4, pending: 22 };

/** Somebody of each kind that a page has to be right for. */
export const ROLES = ['Admin', 'Operator', 'Approver', 'Viewer', 'Member', 'One action'] as const;
export type RoleName = (typeof ROLES)[number];

/**
 * An organization as an operator has it after some weeks: 200 machines in every state, names of all kinds, keys with refusals, resources,
 * secrets on their way, people. What only time makes (who is connected, since when) is written as rows.
 */
export class RealisticOrg {
  readonly orgId = 'nordwerk';
  readonly name = 'Nordwerk Verkehrs- und Energietechnik GmbH & Co. KG';
  /** What stands in an address in place of a parameter, by the part before it and its name: `sites/$site`. */
  readonly ids: Record<string, string> = { 'org/$org': this.orgId };
  readonly people = {} as Record<RoleName, { email: string; password: string }>;
  readonly root: Api;
  private siteIds: number[] = [];
  private groupIds: number[] = [];
  private profileId!: number;
  private templateId!: number;
  private numberedTemplateId!: number;

  private constructor(private readonly server: TestServer) {
    this.root = Api.root(server);
  }

  static async open(server: TestServer): Promise<RealisticOrg> {
    const org = new RealisticOrg(server);
    await org.root.expect('PUT', '/org', {
      orgId: org.orgId,
      name: org.name,
      subnet: '100.90.128.0/17',
      utilitySubnet: '100.96.128.0/20',
    });
    await org.makePeople();
    await org.makeProvisioning();
    await org.makeMachines();
    await org.refuseSome();
    await org.giveStates();
    await org.makeResources();
    await org.makeConfiguration();
    await org.makeAccess();
    await org.makeJobs();
    await org.makeOthers();
    await org.spreadOverTime();
    return org;
  }

  path = (rest: string) => `/org/${this.orgId}/${rest}`;
  sql = <Row extends object>(text: string, values: unknown[] = []) =>
    queryDatabase<Row>(this.server.databaseUrl, text, values);
  private make = <T>(noun: string, body: object) => this.root.expect<T>('PUT', this.path(noun), body);

  private async makePeople(): Promise<void> {
    const { roleId } = await this.make<{ roleId: number }>('role', {
      name: 'One action',
      description: 'Sees the list of sites, and nothing else',
    });
    await this.root.expect('POST', `/role/${roleId}/actions`, { actionIds: ['listSites'] });
    this.ids['roles/$role'] = String(roleId);
    const hash = await bcrypt.hash(PASSWORD, 4);
    const add = async (email: string, role: string) => {
      const userId = randomUUID();
      await this.sql(
        'INSERT INTO "user" (user_id, email, username, password_hash, email_verified) VALUES ($1, $2, $2, $3, true)',
        [userId, email, hash],
      );
      await this.sql('INSERT INTO membership (org_id, user_id) VALUES ($1, $2)', [this.orgId, userId]);
      await this.sql(
        'INSERT INTO membership_role SELECT org_id, $2, role_id FROM role WHERE org_id = $1 AND name = $3',
        [this.orgId, userId, role],
      );
      return userId;
    };
    for (const role of ROLES) {
      const email = `${role.toLowerCase().replace(' ', '-')}@${DOMAIN}`;
      this.ids['people/$person'] = await add(email, role);
      this.people[role] = { email, password: PASSWORD };
    }
    for (const [i, email] of PEOPLE.entries()) await add(email, ROLES[i % ROLES.length]!);
  }

  private async makeProvisioning(): Promise<void> {
    for (const [name, description] of GROUPS)
      this.groupIds.push((await this.make<{ groupId: number }>('group', { name, description })).groupId);
    this.ids['groups/$group'] = String(this.groupIds[0]);
    ({ profileId: this.profileId } = await this.make('provisioning-profile', {
      name: 'Feldgeräte',
      labels: { site: 'nord', model: 'cx-5130', 'maintenance-window': 'sunday-02-00-to-04-00' },
      groupIds: this.groupIds.slice(0, 2),
    }));
    await this.make('provisioning-profile', { name: 'Kiosks and displays in stations and other public places' });
    this.ids['start-up/$profile'] = String(this.profileId);
    ({ templateId: this.templateId } = await this.make('provisioning-template', {
      name: 'Feldgeräte',
      description: 'Controllers in the field, by the list of the supplier',
      profileId: this.profileId,
      groupIds: this.groupIds.slice(0, 2),
    }));
    ({ templateId: this.numberedTemplateId } = await this.make('provisioning-template', {
      name: 'Numbered ones',
      hardwareIdPattern: 'unit-[0-9]+',
    }));
    this.ids['templates/$template'] = String(this.templateId);
  }

  private key = (name: string, body: object = {}) =>
    this.make<TestKey>('site-provisioning-key', { name, templateId: this.templateId, maxBatchSize: 250, ...body });

  /** In portions, so that what came first has the smaller id. */
  private async claim(key: TestKey, from: number, count: number): Promise<void> {
    for (let next = from; next < from + count; next += 10)
      await Promise.all(
        Array.from({ length: Math.min(10, from + count - next) }, (_, i) => this.claimOne(key, next + i)),
      );
  }

  private async claimOne(key: TestKey, n: number): Promise<void> {
    const { status, text } = await this.tryKey(key, hardwareId(n), machineName(n));
    if (status !== 201) throw new Error(`claim ${n}: ${status} ${text}`);
  }

  private tryKey = (key: TestKey, hardware_id: string, device_name = 'Prüfling') =>
    provision(this.root.url, {
      provision_key: key.siteProvisioningKey,
      device_name,
      hardware_id,
      claim_nonce: newNonce(),
    });

  private async makeMachines(): Promise<void> {
    const { pending, ...approved } = STATES;
    const before = Object.values(approved).reduce((sum, count) => sum + count);
    const [rollout, second, open] = [
      await this.key('Rollout Halle B'),
      await this.key('Übergabestationen Süd – Nachlieferung der ausgefallenen Geräte, Los 2', { maxBatchSize: 120 }),
      await this.key('Lieferung KW 48', { approveNewSites: false }),
    ];
    await this.claim(rollout, 0, 100);
    await this.claim(second, 100, before - 100);
    await this.claim(open, before, pending);
    this.ids['keys/$key'] = open.siteProvisioningKeyId;
    await this.root.expect('PUT', this.path(`site-provisioning-key/${open.siteProvisioningKeyId}/expected`), {
      hardwareIds: Array.from({ length: pending + 3 }, (_, i) => hardwareId(before + i)),
    });
    this.siteIds = (
      await this.sql<{ id: number }>('SELECT site_id AS id FROM site WHERE org_id = $1 ORDER BY site_id', [this.orgId])
    ).map(({ id }) => id);
    this.ids['sites/$site'] = String(this.siteIds[3]);
  }

  /** Claims that every reason refuses. */
  private async refuseSome(): Promise<void> {
    const single = await this.key('Single replacement', { maxBatchSize: 1 });
    await this.tryKey(single, 'SN-2019-00001', 'Pump house 1');
    await this.tryKey(single, 'SN-2019-00002');
    const numbered = await this.key('Numbered', { templateId: this.numberedTemplateId });
    for (const id of ['SN-1', 'SN-2', 'SN-3']) await this.tryKey(numbered, id);
    const old = await this.key('Pilot 2025');
    await this.sql(`UPDATE provisioning_key SET expires_at = now() - interval '9 days' WHERE key_id = $1`, [
      old.siteProvisioningKeyId,
    ]);
    await this.tryKey(old, 'SN-2025-1');
    const gone = await this.key('Lost notebook');
    await this.root.expect('POST', this.path(`site-provisioning-key/${gone.siteProvisioningKeyId}/revoke`));
    await this.tryKey(gone, 'SN-2025-2');
    await this.key('Spring delivery', { status: 'disabled' });
    // Rejected, and come again.
    const odd = await this.key('By hand', { approveNewSites: false });
    await this.tryKey(odd, 'unknown-board-1', 'Nobody knows it');
    const { sites } = await this.root.expect<{ sites: { siteId: number }[] }>(
      'GET',
      this.path('sites?hardwareId=unknown-board-1'),
    );
    await this.root.expect('POST', this.path('approvals'), {
      siteIds: [sites[0]!.siteId],
      decision: 'reject',
      note: 'Not on the list of the supplier',
    });
    await this.tryKey(odd, 'unknown-board-1');
  }

  private of(state: keyof typeof STATES): number[] {
    let from = 0;
    for (const [name, count] of Object.entries(STATES)) {
      if (name === state) return this.siteIds.slice(from, from + count);
      from += count;
    }
    return [];
  }

  private async giveStates(): Promise<void> {
    await this.connect([...this.of('online'), ...this.of('pending').slice(0, 15)], true);
    await this.connect([...this.of('offline'), ...this.of('suspended'), ...this.of('revoked')], false);
    for (const siteId of this.of('suspended'))
      await this.root.expect('POST', `/site/${siteId}`, { status: 'pending', note: 'Moved to another hall' });
    for (const siteId of this.of('revoked'))
      await this.root.expect('POST', `/site/${siteId}/revoke`, { note: 'Stolen' });
    await this.sql(
      `UPDATE site SET claimed_from = ('198.51.100.' || site_id % 250)::inet, oddities = CASE site_id % 9
         WHEN 1 THEN '{name_taken}' WHEN 3 THEN '{new_network,contested}' WHEN 5 THEN '{hardware_id_blocked_before}' ELSE '{}' END::text[]
       WHERE site_id = ANY($1::bigint[])`,
      [this.of('pending')],
    );
    await this.root.expect('POST', `/site/${this.siteIds[3]}`, {
      description: 'Behind the second door on the left; the key hangs in the control room.',
      groupIds: this.groupIds,
    });
    for (const siteId of [this.siteIds[3], this.of('offline')[0]])
      await this.root.expect('POST', `/site/${siteId}/replace`, { hardwareId: `SN-2026-9${siteId}` });
  }

  /** Sessions of the last days, the last one open or not, and what the agent says of its machine. */
  private async connect(siteIds: number[], isOnline: boolean): Promise<void> {
    await this.sql(
      `WITH made AS (
         INSERT INTO site_session (session_id, site_id, address, client_type, client_version, connected_at, ended_at, end_reason)
         SELECT gen_random_uuid(), s, ('203.0.113.' || s % 250)::inet, 'newt', '0.2.0', began, began + interval '11 hours',
           (ARRAY['closed', 'connection_lost', 'silent', 'restart'])[1 + (s + day) % 4]
         FROM unnest($1::bigint[]) s, generate_series(1, 6) day, LATERAL (SELECT now() - day * interval '1 day' - s % 50 * interval '7 minutes' AS began) x),
       open AS (
         INSERT INTO site_session (session_id, site_id, address, connected_at)
         SELECT gen_random_uuid(), s, ('203.0.113.' || s % 250)::inet, now() - s % 90 * interval '5 minutes' FROM unnest($1::bigint[]) s WHERE $2
         RETURNING session_id, site_id, address, connected_at)
       UPDATE site_presence p SET session_id = o.session_id, address = o.address, client_type = 'newt',
         connected_at = coalesce(o.connected_at, now() - interval '1 day'),
         last_seen_at = CASE WHEN $2 THEN now() ELSE now() - p.site_id % 70 * interval '97 minutes' - interval '4 minutes' END
       FROM unnest($1::bigint[]) s LEFT JOIN open o ON o.site_id = s WHERE p.site_id = s`,
      [siteIds, isOnline],
    );
    await this.sql(
      `INSERT INTO agent_report (site_id, org_id, agent_version, agent_facts, applied_version, applied_error)
       SELECT s, $2, (ARRAY['0.2.0', '0.2.0', '0.2.0', '0.1.0'])[1 + s % 4],
         jsonb_build_object('hostname', 'cx-' || s, 'os', 'Debian GNU/Linux 13 (trixie)', 'arch', 'arm64', 'kernel', '6.12.48+deb13-arm64', 'node', 'v24.11.0'),
         1, CASE s % 40 WHEN 7 THEN 'port 8080 is in use by another program' END
       FROM unnest($1::bigint[]) s ON CONFLICT (site_id) DO NOTHING`,
      [siteIds, this.orgId],
    );
  }

  private async makeResources(): Promise<void> {
    const { domainId } = await this.make<{ domainId: string }>('domain', { type: 'wildcard', baseDomain: DOMAIN });
    await this.make('domain', { type: 'cname', baseDomain: 'portal.example.org' });
    await this.make('domain', { type: 'ns', baseDomain: 'zuerich-und-umgebung.leitstand-nordwerk.example.org' });
    this.ids['domains/$domain'] = domainId;
    for (const [i, name] of RESOURCES.entries()) {
      const { resourceId } = await this.make<{ resourceId: number }>('resource', {
        name,
        http: true,
        protocol: 'tcp',
        domainId,
        subdomain: `r${i}`,
      });
      for (let n = 0; n < i % 4; n++)
        await this.root.expect('PUT', `/resource/${resourceId}/target`, {
          siteId: this.siteIds[i * 7 + n],
          ip: 'localhost',
          port: 8080 + n,
          method: 'http',
        });
      if (i === 3) await this.fillResource(resourceId);
    }
    await this.make('resource', { name: 'SSH of the jump host', http: false, protocol: 'tcp', proxyPort: 2222 });
    for (const [i, name] of ['SPS Presse 14', 'Netz der Halle B', '倉庫 PLC'].entries()) {
      const { siteResourceId } = await this.make<{ siteResourceId: number }>('site-resource', {
        name,
        mode: i === 1 ? 'cidr' : 'host',
        destination: i === 1 ? '10.14.0.0/24' : `10.14.0.${10 + i}`,
        siteIds: this.siteIds.slice(i, i + 1 + i),
      });
      this.ids['private/$resource'] = String(siteResourceId);
    }
    const niceId = (await this.root.expect<{ niceId: string }>('GET', `/site/${this.siteIds[0]}`)).niceId;
    const { blueprintId } = await this.make<{ blueprintId: number }>('blueprint', {
      blueprint: `sites:\n  ${niceId}:\n    name: "${machineName(0)}"\n`,
      source: 'UI',
      name: 'Halle B, Stand November',
    });
    this.ids['blueprints/$blueprint'] = String(blueprintId);
  }

  /** The one that its pages are looked at with. */
  private async fillResource(resourceId: number): Promise<void> {
    this.ids['public/$resource'] = String(resourceId);
    for (const [priority, [action, match, value]] of (
      [
        ['ACCEPT', 'CIDR', '192.0.2.0/24'],
        ['PASS', 'PATH', '/assets/*'],
        ['DROP', 'COUNTRY', 'AQ'],
      ] as const
    ).entries())
      await this.root.expect('PUT', `/resource/${resourceId}/rule`, { action, match, value, priority: priority + 1 });
    await this.root.expect('POST', `/resource/${resourceId}`, { applyRules: true, emailWhitelistEnabled: true });
    await this.root.expect('POST', `/resource/${resourceId}/whitelist`, { emails: PEOPLE.slice(0, 3) });
    for (const title of ['Supplier, until Friday', 'Démonstration'])
      await this.root.expect('POST', `/resource/${resourceId}/access-token`, { title, validForSeconds: 500_000 });
  }

  private async makeConfiguration(): Promise<void> {
    const names = ['DB_PASSWORD', 'MQTT_CREDENTIALS_OF_THE_BROKER_FOR_ALL_OUTSIDE_STATIONS', 'API_TOKEN'];
    for (const name of names)
      await this.make('secret', { name, value: secretValue(name), profileIds: [this.profileId] });
    await nameIn(this, this.orgId, this.profileId, names, 1);
    await this.root.expect('POST', this.path('secret/DB_PASSWORD/version'), { value: secretValue('second') });
    const version = (name: string, number: number) => versionId(this, this.orgId, name, number);
    const [first, second, token] = [
      await version('DB_PASSWORD', 1),
      await version('DB_PASSWORD', 2),
      await version('API_TOKEN', 1),
    ];
    for (const [i, siteId] of this.of('online').slice(0, 40).entries())
      await holds(this, this.orgId, siteId, [second, token], i < 5 ? [first, token] : [second, token]);
    await this.sql(
      `UPDATE site_bundle SET state = 'failed', reason = 'exit 3 before ready: config/app.yaml: no such broker' WHERE site_id = ANY($1::bigint[])`,
      [this.of('online').slice(0, 2)],
    );
    this.ids['secrets/$name'] = 'DB_PASSWORD';
  }

  private async makeAccess(): Promise<void> {
    for (const email of ['new.colleague@example.com', 'praktikum@nordwerk.example.com'])
      await this.root.expect('POST', this.path('create-invite'), {
        email,
        roleIds: [Number(this.ids['roles/$role'])],
        validHours: 48,
      });
    for (const name of ['Terraform', 'Inventory of the controlling department, read every night']) {
      const { apiKeyId } = await this.make<{ apiKeyId: string }>('api-key', { name });
      await this.root.expect('POST', this.path(`api-key/${apiKeyId}/actions`), { actionIds: ['listSites', 'getSite'] });
      this.ids['api-keys/$key'] = apiKeyId;
    }
    for (const name of ['Notebook Werkstatt', '保守用 PC']) {
      const { olmId, olmSecret, subnet } = await this.root.expect<{ olmId: string; olmSecret: string; subnet: string }>(
        'GET',
        this.path('pick-client-defaults'),
      );
      await this.make('client', { name, olmId, secret: olmSecret, subnet, type: 'olm' });
    }
  }

  private async makeJobs(): Promise<void> {
    const { jobId } = await this.root.expect<{ jobId: number }>('POST', this.path('site-actions'), {
      siteIds: this.siteIds.slice(0, 60),
      action: 'add_labels',
      labels: { rack: 'b-04' },
    });
    this.ids['jobs/$job'] = String(jobId);
    const rotation = await this.root.expect<{ jobId: number }>('POST', this.path('credential-rotations'), {
      filter: { state: 'online' },
      perMinute: 1,
    });
    this.ids['rotations/$job'] = String(rotation.jobId);
  }

  /** The administrator of the server sees more than one organization. */
  private async makeOthers(): Promise<void> {
    for (const [orgId, name] of [
      ['stadtwerke', 'Stadtwerke Süd'],
      ['kanazawa', '金沢物流'],
    ])
      await this.root.expect('PUT', '/org', { orgId, name });
  }

  /** As if it had come over five weeks: what has the smaller id is older. */
  private async spreadOverTime(): Promise<void> {
    for (const [table, id] of [
      ['site', 'site_id'],
      ['claim', 'claim_id'],
      ['audit', 'audit_id'],
      ['event', 'event_id'],
    ])
      await this.sql(
        `UPDATE ${table} t SET created_at = now() - (m.last - t.${id} + 1)::float8 / (m.last - m.first + 1) * interval '35 days'
         FROM (SELECT max(${id}) AS last, min(${id}) AS first FROM ${table} WHERE org_id = $1) m WHERE t.org_id = $1`,
        [this.orgId],
      );
    await this.sql(`UPDATE provisioning_key SET created_at = now() - interval '36 days' WHERE org_id = $1`, [
      this.orgId,
    ]);
    await addTraffic(this.sql, this.orgId);
  }
}

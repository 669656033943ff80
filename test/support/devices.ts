import { randomUUID } from 'node:crypto';
import { Api, deviceToken, newHardwareId, provision, TestOrg } from './api.js';
import { queryDatabase } from './database.js';
import type { TestServer } from './server.js';
import { TestSession } from './session.js';

export interface TestDevice {
  siteId: number;
  deviceId: string;
  apiKey: string;
}

/** Devices of one organization, and what the database says about their sessions. */
export class TestFleet {
  private constructor(
    readonly org: TestOrg,
    readonly root: Api,
    private readonly server: TestServer,
    private readonly databaseUrl: string,
    private readonly keys: { approved: string; pending: string },
  ) {}

  /** `databaseUrl`: when the server reaches its database another way than the test does. */
  static async create(server: TestServer, databaseUrl = server.databaseUrl): Promise<TestFleet> {
    const root = Api.root(server);
    const org = await TestOrg.create(root);
    const approved = (await org.key({ approveNewSites: true })).siteProvisioningKey;
    const pending = (await org.key({ approveNewSites: false })).siteProvisioningKey;
    return new TestFleet(org, root, server, databaseUrl, { approved, pending });
  }

  sql = <Row extends object>(text: string, values: unknown[] = []) =>
    queryDatabase<Row>(this.databaseUrl, text, values);

  async device(status: 'approved' | 'pending' = 'approved'): Promise<TestDevice> {
    const { body } = await provision(this.server.url, {
      provision_key: this.keys[status],
      device_name: `device ${randomUUID()}`,
      hardware_id: newHardwareId(),
    });
    const [row] = await this.sql<{ id: number }>('SELECT site_id::int AS id FROM site WHERE device_id = $1', [
      body.device_id,
    ]);
    return { siteId: row!.id, deviceId: body.device_id, apiKey: body.api_key };
  }

  devices(count: number, status: 'approved' | 'pending' = 'approved'): Promise<TestDevice[]> {
    return Promise.all(Array.from({ length: count }, () => this.device(status)));
  }

  /** Token, then session. @throws Refused */
  async connect(device: TestDevice, server = this.server): Promise<TestSession> {
    const { body } = await deviceToken(server.url, device.apiKey);
    return TestSession.connect(server.wsUrl, body.data.token);
  }

  async isOnline({ siteId }: TestDevice): Promise<boolean> {
    return (
      (await this.sql('SELECT 1 FROM site_presence WHERE site_id = $1 AND session_id IS NOT NULL', [siteId])).length > 0
    );
  }

  /** Presence events of the site, in order. */
  async events({ siteId }: TestDevice): Promise<string[]> {
    const rows = await this.sql<{ type: string }>(
      `SELECT type FROM event WHERE site_id = $1 AND type IN ('site.online', 'site.offline', 'site.duplicate_session') ORDER BY event_id`,
      [siteId],
    );
    return rows.map((row) => row.type);
  }
}

import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { queryDatabase } from './database.js';
import { until } from './server.js';

/** What a `resource_changed` notice says. */
export interface ResourceNotice {
  orgId: string;
  kind: 'public' | 'private';
  /** null: any of them. */
  ids: number[] | null;
}

/** Listens for changes of resources beside the servers. */
export class ResourceNotices {
  private received: ResourceNotice[] = [];
  private readonly fences = new Set<string>();

  private constructor(
    private readonly url: string,
    private readonly client: pg.Client,
  ) {}

  static async listen(url: string): Promise<ResourceNotices> {
    const client = new pg.Client({ connectionString: url });
    const notices = new ResourceNotices(url, client);
    client.on('error', () => undefined);
    client.on('notification', ({ channel, payload = '' }) => {
      if (channel === 'fence') notices.fences.add(payload);
      else notices.received.push(JSON.parse(payload) as ResourceNotice);
    });
    await client.connect();
    await client.query('LISTEN resource_changed; LISTEN fence');
    return notices;
  }

  /** Those of everything that has been committed since they were last taken: notices come in the order of the commits. */
  async take(): Promise<ResourceNotice[]> {
    const fence = randomUUID();
    await queryDatabase(this.url, `SELECT pg_notify('fence', $1)`, [fence]);
    await until(() => this.fences.has(fence));
    const taken = this.received;
    this.received = [];
    return taken;
  }

  close(): Promise<void> {
    return this.client.end();
  }
}

import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Config, PeriodicTask } from '#platform';
import { GeoDatabases } from './geo.js';

const LOOK_MS = 60_000;

/** The files of `GEOIP_DB` and `GEOIP_ASN_DB`, read again when they change. */
@Injectable()
export class Geography extends GeoDatabases implements OnModuleInit, OnApplicationShutdown {
  private readonly task = new PeriodicTask(Geography.name, {
    failure: 'A file of GEOIP_DB or GEOIP_ASN_DB cannot be read; what was read before goes on to answer',
    everyMs: LOOK_MS,
    run: () => this.refresh(),
  });
  private readonly hasFiles: boolean;

  constructor({ edge }: Config) {
    super({ countries: edge.geoipDb, networks: edge.geoipAsnDb });
    this.hasFiles = edge.geoipDb !== undefined || edge.geoipAsnDb !== undefined;
  }

  onModuleInit(): void {
    if (this.hasFiles) this.task.wake();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.task.stop();
  }
}

import { Module } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { Db } from '#platform';
import { JobHandlers } from './job-handlers.js';
import { JobWorker } from './job-worker.js';
import { JobsController } from './jobs.controller.js';
import { JobsRepository } from './jobs.repository.js';
import { JobsService } from './jobs.service.js';

/** Long work in steps: rows, the worker of this process, and what people see and stop of it. */
@Module({
  controllers: [JobsController],
  providers: [JobHandlers, JobsRepository, JobsService, JobWorker],
  exports: [JobHandlers, JobsService],
})
export class JobsModule {
  constructor(db: Db, repository: JobsRepository) {
    jobCounts.read = () => repository.countByKindAndStatus(db.manager);
  }
}

const jobCounts = { read: (): ReturnType<JobsRepository['countByKindAndStatus']> => Promise.resolve([]) };
new Gauge({
  name: 'gatehouse_jobs',
  help: 'Jobs of the installation, by kind and status, the same at every server',
  labelNames: ['kind', 'status'],
  async collect() {
    // While the database is away there is nothing to tell, and the other metrics must not suffer from it.
    const counts = await jobCounts.read().catch(() => []);
    this.reset();
    for (const { kind, status, n } of counts) this.set({ kind, status }, n);
  },
});

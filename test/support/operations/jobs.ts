import { type FixtureOrg } from '../fixture-org.js';
import { type Call, list, type Operation, PAGE, read } from './operation.js';

export const JOBS_OPERATIONS: Record<string, Operation> = {
  // jobs
  listRollouts: list('key'),
  listJobs: list('key', { status: 'queued' }),
  getJob: read('key', async (fixture) => ({ params: { jobId: await fixture.job() }, query: PAGE })),
  pauseJob: { by: 'key', call: (fixture) => job(fixture), audit: ['job.pause', 'job', 'jobId'] },
  resumeJob: { by: 'key', call: (fixture) => job(fixture, 'paused'), audit: ['job.resume', 'job', 'jobId'] },
  cancelJob: { by: 'key', call: (fixture) => job(fixture), audit: ['job.cancel', 'job', 'jobId'] },
};

async function job(fixture: FixtureOrg, status?: 'paused'): Promise<Call> {
  return { params: { jobId: await fixture.job(status) } };
}

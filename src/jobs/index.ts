export {
  type ItemResult,
  type JobHandler,
  JobHandlers,
  type JobInHand,
  partOf,
  type StepResult,
} from './job-handlers.js';
export { JobItem, JobView } from './jobs.dto.js';
export { JobsModule } from './jobs.module.js';
export type { NewJob } from './jobs.repository.js';
export { JobsService } from './jobs.service.js';

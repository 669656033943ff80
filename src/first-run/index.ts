export { AdminModule } from './admin.module.js';
export { ADMIN_USAGE, AdminCommands, AdminUsageError, adminCommandOf } from './admin-commands.js';
export { announce } from './announce.js';
export { checkDatabase, prepareDatabase } from './database-check.js';
export { reportDatabase } from './database-report.js';
export { FirstRunModule } from './first-run.module.js';
export { FirstRun } from './first-run.service.js';
export { checkMasterKeys } from './master-key.js';
export { checkMachine, sentenceFor } from './preflight.js';

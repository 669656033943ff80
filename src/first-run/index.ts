export { ADMIN_USAGE, adminCommandOf, AdminCommands, AdminUsageError } from './admin-commands.js';
export { AdminModule } from './admin.module.js';
export { FirstRunModule } from './first-run.module.js';
export { firstSecrets, nextKey, whereabouts } from './banner.js';
export { FirstRun } from './first-run.service.js';
export { checkDatabase, prepareDatabase } from './database-check.js';
export { reportDatabase } from './database-report.js';
export { writePidFile } from './pid-file.js';
export { checkMachine, sentenceFor } from './preflight.js';

export { ClusterModule } from './cluster.module.js';
export { type KnownMasterKey, refusalOf } from './master-keys/known-master-keys.js';
export { MasterKeysModule } from './master-keys/master-keys.module.js';
export type { OtherServer } from './master-keys/master-keys.repository.js';
export { MasterKeys } from './master-keys/master-keys.service.js';
export { type ServerEnd, ServerLease } from './server-lease.service.js';

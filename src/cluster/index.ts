export { ClusterModule } from './cluster.module.js';
export { type ServerEnd, ServerLease } from './server-lease.service.js';

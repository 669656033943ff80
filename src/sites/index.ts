export { SiteGroup } from './groups/group.entity.js';
export { makeNiceId } from './nice-id.js';
export type { SiteSelection } from './site-conditions.js';
export { type LockedDevice, type SiteDevice, SiteDevices } from './site-devices.service.js';
export { type CreatedSite, type NewSite, SiteLifecycleService } from './site-lifecycle.service.js';
export { SiteReads } from './site-reads.js';
export { type Decided, SiteStatusService, type Standing } from './site-status.service.js';
export { SiteTraffic } from './site-traffic.js';
export {
  CLIENT_ID,
  CLIENT_ID_PROBLEM,
  CLIENT_SECRET,
  CLIENT_SECRET_PROBLEM,
  SiteFilter,
  SiteSettings,
  SiteView,
} from './sites.dto.js';
export { SitesModule } from './sites.module.js';
export type { SiteFields, SiteStatus, SiteType } from './sites.repository.js';

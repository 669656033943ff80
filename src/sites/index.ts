export { SiteGroup } from './groups/group.entity.js';
export { SitesModule } from './sites.module.js';
export { SiteLifecycleService, type CreatedSite, type NewSite } from './site-lifecycle.service.js';
export { SiteReads } from './site-reads.js';
export { NICE_ID, NICE_ID_PROBLEM, SiteFilter, SiteView } from './sites.dto.js';
export type { SiteFields, SiteStatus, SiteType } from './sites.repository.js';
export { makeNiceId } from './nice-id.js';

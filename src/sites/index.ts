export { SitesModule } from './sites.module.js';
export { SitesService, type CreatedSite, type NewSite } from './sites.service.js';
export type { SiteStatus, SiteType } from './sites.repository.js';

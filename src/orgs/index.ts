export { AddressPoolModule } from './address-pool.module.js';
export { AddressPoolService } from './address-pool.service.js';
export { Org } from './org.entity.js';
export { OrgsModule } from './orgs.module.js';
export { OrgsService } from './orgs.service.js';

export { AddressPoolModule } from './address-pool.module.js';
export { AddressPoolService } from './address-pool.service.js';

export { InstancesModule } from './instances.module.js';
export { SigningKeys } from './trust/signing-keys.service.js';
export { TrustModule } from './trust/trust.module.js';

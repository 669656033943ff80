export { EpochModule } from './epoch/epoch.module.js';
export { Epoch } from './epoch/epoch.service.js';
export { InstancesModule } from './instances.module.js';
export { SecretsModule } from './secrets/secrets.module.js';
export { SecretsService } from './secrets/secrets.service.js';
export { SigningKeys } from './trust/signing-keys.service.js';
export { TrustModule } from './trust/trust.module.js';

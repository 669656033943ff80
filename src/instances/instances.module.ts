import { Module } from '@nestjs/common';
import { ProvisioningModule } from '../provisioning/index.js';
import { BootstrapsModule } from './bootstraps/bootstraps.module.js';
import { BundleKeysModule } from './bundle-keys/bundle-keys.module.js';
import { BundlesModule } from './bundles/bundles.module.js';
import { CredentialsModule } from './credentials/credentials.module.js';
import { EpochModule } from './epoch/epoch.module.js';
import { RevocationsModule } from './revocations/revocations.module.js';
import { RolloutJobsModule } from './rollouts/rollout-jobs.module.js';
import { RotationsModule } from './rotations/rotations.module.js';
import { SecretDeletionModule } from './secrets/secret-deletion.module.js';
import { SecretsModule } from './secrets/secrets.module.js';
import { TrustModule } from './trust/trust.module.js';

/** Secrets, bootstrap documents, bundles and what makes an instance trust them (docs/instances.md). */
@Module({
  imports: [
    BootstrapsModule,
    BundleKeysModule,
    BundlesModule,
    CredentialsModule,
    EpochModule,
    ProvisioningModule,
    RevocationsModule,
    RolloutJobsModule,
    RotationsModule,
    SecretDeletionModule,
    SecretsModule,
    TrustModule,
  ],
  exports: [BundleKeysModule, BundlesModule, CredentialsModule, EpochModule, RevocationsModule, TrustModule],
})
export class InstancesModule {}

import { Module } from '@nestjs/common';
import { AuditModule } from '../../audit/index.js';
import { ProvisioningModule } from '../../provisioning/index.js';
import { SitesModule } from '../../sites/index.js';
import { BundleKeysModule } from '../bundle-keys/bundle-keys.module.js';
import { Challenges } from './challenges.js';
import { CredentialAdministration } from './credential-administration.service.js';
import { CredentialMaker } from './credential-maker.js';
import { CredentialOffers } from './credential-offers.service.js';
import { CredentialsRepository } from './credentials.repository.js';
import { RenewalsController } from './renewals.controller.js';
import { RenewalsService } from './renewals.service.js';
import { SiteCredentialsController } from './site-credentials.controller.js';

/** How credentials of sites are renewed and rotated (docs/credentials.md §2 and §3). */
@Module({
  imports: [AuditModule, BundleKeysModule, ProvisioningModule, SitesModule],
  controllers: [RenewalsController, SiteCredentialsController],
  providers: [
    Challenges,
    CredentialAdministration,
    CredentialMaker,
    CredentialOffers,
    CredentialsRepository,
    RenewalsService,
  ],
  exports: [CredentialAdministration, CredentialOffers],
})
export class CredentialsModule {}

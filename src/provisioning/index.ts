export { parseCsr, SEALED_AUTHORITIES } from './claims/certificate-authority.js';
export type { IssuedCredential } from './claims/claim.js';
export { BundleKeyJwk } from './claims/claim-endpoints.dto.js';
export { CredentialIssuer } from './claims/credential-issuer.js';
export { KeysService } from './keys/keys.service.js';
export { Profile } from './profiles/profile.entity.js';
export { ProfileBlueprints } from './profiles/profile-blueprints.service.js';
export { ProvisioningModule } from './provisioning.module.js';
export { Template } from './templates/template.entity.js';

import { FirstSchema1763700000000 } from './migrations/1763700000000-first-schema.js';
import { Resources1763800000000 } from './migrations/1763800000000-resources.js';
import { Blueprints1763900000000 } from './migrations/1763900000000-blueprints.js';
import { DomainClaims1764100000000 } from './migrations/1764100000000-domain-claims.js';
import { TargetRights1764110000000 } from './migrations/1764110000000-target-rights.js';
import { Accounts1764200000000 } from './migrations/1764200000000-accounts.js';
import { OrgIdentity1764300000000 } from './migrations/1764300000000-org-identity.js';
import { ProfileBlueprintQueue1764310000000 } from './migrations/1764310000000-profile-blueprint-queue.js';
import { RoleNames1764410000000 } from './migrations/1764410000000-role-names.js';
import { ClaimWindows1764500000000 } from './migrations/1764500000000-claim-windows.js';
import { ChangeNotices1764510000000 } from './migrations/1764510000000-change-notices.js';
import { Servers1764520000000 } from './migrations/1764520000000-servers.js';
import { Jobs1764530000000 } from './migrations/1764530000000-jobs.js';
import { EphemeralSites1764600000000 } from './migrations/1764600000000-ephemeral-sites.js';
import { HardwareIdForm1764600100000 } from './migrations/1764600100000-hardware-id-form.js';
import { ClaimConnections1764610000000 } from './migrations/1764610000000-claim-connections.js';
import { UncheckedHealth1764610100000 } from './migrations/1764610100000-unchecked-health.js';
import { RejectedSites1764610200000 } from './migrations/1764610200000-rejected-sites.js';
import { SiteSettings1764620000000 } from './migrations/1764620000000-site-settings.js';
import { NormalForms1764630000000 } from './migrations/1764630000000-normal-forms.js';
import { KnownSites1764650000000 } from './migrations/1764650000000-known-sites.js';
import { Instances1764700000000 } from './migrations/1764700000000-instances.js';
import { ProfileBootstrap1764710000000 } from './migrations/1764710000000-profile-bootstrap.js';
import { Secrets1764720000000 } from './migrations/1764720000000-secrets.js';
import { Orphans1764721000000 } from './migrations/1764721000000-orphans.js';
import { ProvenRevocations1764730000000 } from './migrations/1764730000000-proven-revocations.js';
import { BundleStates1764740000000 } from './migrations/1764740000000-bundle-states.js';
import { SiteProfiles1764750000000 } from './migrations/1764750000000-site-profiles.js';
import { Rollouts1764750100000 } from './migrations/1764750100000-rollouts.js';
import { SitesWithSecrets1764760000000 } from './migrations/1764760000000-sites-with-secrets.js';
import { BundleTakers1764810000000 } from './migrations/1764810000000-bundle-takers.js';
import { CredentialLife1764900000000 } from './migrations/1764900000000-credential-life.js';
import { CredentialUses1764901000000 } from './migrations/1764901000000-credential-uses.js';
import { SiteClients1764902000000 } from './migrations/1764902000000-site-clients.js';
import { MasterKeys1764909000000 } from './migrations/1764909000000-master-keys.js';
import { DeviceAuthorities1764909100000 } from './migrations/1764909100000-device-authorities.js';
import { DeviceCertificates1764909200000 } from './migrations/1764909200000-device-certificates.js';
import { FleetRotations1764911000000 } from './migrations/1764911000000-fleet-rotations.js';
import { CredentialTrust1765000000000 } from './migrations/1765000000000-credential-trust.js';
import { RevocationListLooks1765000000010 } from './migrations/1765000000010-revocation-list-looks.js';
import { SiteStates1765100000000 } from './migrations/1765100000000-site-states.js';
import { SiteOddities1765100000010 } from './migrations/1765100000010-site-oddities.js';
import { SiteLists1765100000020 } from './migrations/1765100000020-site-lists.js';
import { SiteSessions1765110000000 } from './migrations/1765110000000-site-sessions.js';
import { RefusalsOfKeys1765110000010 } from './migrations/1765110000010-refusals-of-keys.js';
import { SiteReplacements1765120000000 } from './migrations/1765120000000-site-replacements.js';
import { KeyUses1765130000000 } from './migrations/1765130000000-key-uses.js';
import { KeyRollouts1765130000010 } from './migrations/1765130000010-key-rollouts.js';
import { CredentialExpiry1765130000020 } from './migrations/1765130000020-credential-expiry.js';
import { Stats1765130000030 } from './migrations/1765130000030-stats.js';
import { RolePresets1765140000000 } from './migrations/1765140000000-role-presets.js';
import { PasswordResets1765140100000 } from './migrations/1765140100000-password-resets.js';
import { ClosedOrgs1765140200000 } from './migrations/1765140200000-closed-orgs.js';
import { OrgCounts1765140300000 } from './migrations/1765140300000-org-counts.js';
import { JobProgressTold1765150000000 } from './migrations/1765150000000-job-progress-told.js';
import { AuditNames1765150000010 } from './migrations/1765150000010-audit-names.js';
import { SetupLinks1765170000000 } from './migrations/1765170000000-setup-links.js';
import { VersionOrder1765180000000 } from './migrations/1765180000000-version-order.js';
import { SessionUses1765190000000 } from './migrations/1765190000000-session-uses.js';
import { JobActs1765190000005 } from './migrations/1765190000005-job-acts.js';
import { AgentUrls1765190000010 } from './migrations/1765190000010-agent-urls.js';
import { RequestLog1765190000030 } from './migrations/1765190000030-request-log.js';
import { ResourceLogins1765190000040 } from './migrations/1765190000040-resource-logins.js';
import { RawPorts1765190000050 } from './migrations/1765190000050-raw-ports.js';
import { Hops1765190000060 } from './migrations/1765190000060-hops.js';
import { TargetSettings1765190000070 } from './migrations/1765190000070-target-settings.js';
import { RequestLogFilters1765190000080 } from './migrations/1765190000080-request-log-filters.js';
import { TargetHealth1765200000000 } from './migrations/1765200000000-target-health.js';

/** Migrations in the order in which they run. */
export const MIGRATIONS = [
  FirstSchema1763700000000,
  Resources1763800000000,
  Blueprints1763900000000,
  DomainClaims1764100000000,
  TargetRights1764110000000,
  Accounts1764200000000,
  OrgIdentity1764300000000,
  ProfileBlueprintQueue1764310000000,
  RoleNames1764410000000,
  ClaimWindows1764500000000,
  ChangeNotices1764510000000,
  Servers1764520000000,
  Jobs1764530000000,
  EphemeralSites1764600000000,
  HardwareIdForm1764600100000,
  ClaimConnections1764610000000,
  UncheckedHealth1764610100000,
  RejectedSites1764610200000,
  SiteSettings1764620000000,
  NormalForms1764630000000,
  KnownSites1764650000000,
  Instances1764700000000,
  ProfileBootstrap1764710000000,
  Secrets1764720000000,
  Orphans1764721000000,
  ProvenRevocations1764730000000,
  BundleStates1764740000000,
  SiteProfiles1764750000000,
  Rollouts1764750100000,
  SitesWithSecrets1764760000000,
  BundleTakers1764810000000,
  CredentialLife1764900000000,
  CredentialUses1764901000000,
  SiteClients1764902000000,
  MasterKeys1764909000000,
  DeviceAuthorities1764909100000,
  DeviceCertificates1764909200000,
  FleetRotations1764911000000,
  CredentialTrust1765000000000,
  RevocationListLooks1765000000010,
  SiteStates1765100000000,
  SiteOddities1765100000010,
  SiteLists1765100000020,
  SiteSessions1765110000000,
  RefusalsOfKeys1765110000010,
  SiteReplacements1765120000000,
  KeyUses1765130000000,
  KeyRollouts1765130000010,
  CredentialExpiry1765130000020,
  Stats1765130000030,
  RolePresets1765140000000,
  PasswordResets1765140100000,
  ClosedOrgs1765140200000,
  OrgCounts1765140300000,
  JobProgressTold1765150000000,
  AuditNames1765150000010,
  SetupLinks1765170000000,
  VersionOrder1765180000000,
  SessionUses1765190000000,
  JobActs1765190000005,
  AgentUrls1765190000010,
  RequestLog1765190000030,
  ResourceLogins1765190000040,
  RawPorts1765190000050,
  Hops1765190000060,
  TargetSettings1765190000070,
  RequestLogFilters1765190000080,
  TargetHealth1765200000000,
];

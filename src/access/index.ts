export { AccessModule } from './access.module.js';
export { ApiKey } from './api-keys/api-key.entity.js';
export { ApiKeysService, type RootKeyView } from './api-keys/api-keys.service.js';
export { Role } from './roles/role.entity.js';
export { RolesService } from './roles/roles.service.js';
export { SiteCredentialsService, type SiteIdentity } from './site-credentials/site-credentials.service.js';
export type { NewSiteCredential } from './site-credentials/site-credentials.repository.js';
export { User } from './users/user.entity.js';
export { UsersService, type NewUser } from './users/users.service.js';

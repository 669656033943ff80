import { Global, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { SearchKinds } from '#platform';
import { AccessGuard } from './access.guard.js';
import { ApiKeyUses } from './api-keys/api-key-uses.js';
import { ApiKeysController } from './api-keys/api-keys.controller.js';
import { ApiKeysRepository } from './api-keys/api-keys.repository.js';
import { ApiKeysService } from './api-keys/api-keys.service.js';
import { Authenticator } from './authenticator.js';
import { ClosedOrgs } from './closed-orgs.js';
import { MailboxesController } from './mailboxes/mailboxes.controller.js';
import { MailboxesRepository } from './mailboxes/mailboxes.repository.js';
import { MailboxesService } from './mailboxes/mailboxes.service.js';
import { PasswordResetsRepository } from './mailboxes/password-resets.repository.js';
import { PasswordResetsService } from './mailboxes/password-resets.service.js';
import { MembersController } from './members/members.controller.js';
import { MembersRepository } from './members/members.repository.js';
import { MembersService } from './members/members.service.js';
import { PrincipalLookup } from './principal-lookup.js';
import { ActionHoldersController } from './roles/action-holders.controller.js';
import { ActionHoldersService } from './roles/action-holders.service.js';
import { RolesController } from './roles/roles.controller.js';
import { RolesRepository } from './roles/roles.repository.js';
import { RolesService } from './roles/roles.service.js';
import { LoginService } from './sessions/login.service.js';
import { RefusedLogins } from './sessions/refused-logins.js';
import { SessionCookie } from './sessions/session-cookie.js';
import { SessionUses } from './sessions/session-uses.js';
import { SessionsController } from './sessions/sessions.controller.js';
import { SessionsRepository } from './sessions/sessions.repository.js';
import { SessionsService } from './sessions/sessions.service.js';
import { ConnectionCredentials } from './site-credentials/connection-credentials.service.js';
import { CredentialSuccessionRepository } from './site-credentials/credential-succession.repository.js';
import { CredentialSuccession } from './site-credentials/credential-succession.service.js';
import { CredentialUses } from './site-credentials/credential-uses.service.js';
import { PskIdentities } from './site-credentials/psk-identities.service.js';
import { SessionTokens } from './site-credentials/session-tokens.js';
import { SiteAdmission } from './site-credentials/site-admission.js';
import { SiteCredentialsRepository } from './site-credentials/site-credentials.repository.js';
import { SiteCredentialsService } from './site-credentials/site-credentials.service.js';
import { TlsConnections } from './site-credentials/tls-connections.service.js';
import { TlsCredentialsRepository } from './site-credentials/tls-credentials.repository.js';
import { Passwords } from './users/passwords.js';
import { UsersController } from './users/users.controller.js';
import { UsersRepository } from './users/users.repository.js';
import { UsersService } from './users/users.service.js';

/** Who may do what: users, sessions, roles, API keys, site credentials and the one guard. */
@Global()
@Module({
  controllers: [
    SessionsController,
    ApiKeysController,
    RolesController,
    ActionHoldersController,
    MembersController,
    MailboxesController,
    UsersController,
  ],
  providers: [
    ActionHoldersService,
    ApiKeysRepository,
    ApiKeyUses,
    ApiKeysService,
    Authenticator,
    ClosedOrgs,
    ConnectionCredentials,
    CredentialSuccession,
    CredentialSuccessionRepository,
    CredentialUses,
    LoginService,
    RefusedLogins,
    MailboxesRepository,
    MailboxesService,
    MembersRepository,
    MembersService,
    PasswordResetsRepository,
    PasswordResetsService,
    Passwords,
    PrincipalLookup,
    PskIdentities,
    RolesRepository,
    RolesService,
    SessionsRepository,
    SessionCookie,
    SessionUses,
    SessionsService,
    SessionTokens,
    SiteCredentialsRepository,
    SiteCredentialsService,
    SiteAdmission,
    TlsConnections,
    TlsCredentialsRepository,
    UsersRepository,
    UsersService,
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
  exports: [
    SessionCookie,
    SessionsService,
    ApiKeysService,
    ConnectionCredentials,
    CredentialSuccession,
    MailboxesService,
    MembersService,
    PasswordResetsService,
    RolesService,
    SessionTokens,
    SiteAdmission,
    SiteCredentialsService,
    UsersService,
  ],
})
export class AccessModule {
  constructor(search: SearchKinds) {
    search.register(
      {
        kind: 'user',
        action: 'listUsers',
        from: 'membership m JOIN "user" u USING (user_id)',
        org: 'm.org_id',
        id: 'u.user_id',
        name: 'coalesce(u.name, u.username)',
        note: 'u.email',
        matches: ['u.name', 'u.username', 'u.email'],
      },
      {
        kind: 'apiKey',
        action: 'listApiKeys',
        orgKeys: false,
        from: 'api_key',
        org: 'org_id',
        id: 'api_key_id',
        name: 'name',
        note: 'last_chars',
        matches: ['name', 'api_key_id'],
      },
    );
  }
}

import { Global, Module } from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR } from '@nestjs/core';
import { DeviceAuthorities } from './access/device-authorities.js';
import { Principals } from './access/principals.js';
import { RefusalLimiter } from './access/refusal-limiter.js';
import { TenantResolvers } from './access/route-access.js';
import { SiteTrust } from './access/site-trust.js';
import { Config } from './config/config.js';
import { HashQueue } from './crypto/hash-queue.js';
import { KeyRing } from './crypto/key-ring.js';
import { Retention } from './database/retention.js';
import { SearchKinds } from './database/search-kinds.js';
import { ClientCertField } from './http/client-cert.js';
import { DeviceListener } from './http/device-listener.js';
import { EnvelopeInterceptor } from './http/envelope.interceptor.js';
import { HttpErrorFilter } from './http/error-filter.js';
import { Exports } from './http/exports.js';
import { HandshakeCosts } from './http/handshake-costs.js';
import { IdempotencyInterceptor } from './http/idempotency.js';
import { OrgExports } from './http/org-exports.js';
import { StrictQueryInterceptor } from './http/strict-query.js';
import { Drain } from './runtime/drain.js';
import { Hooks } from './runtime/hooks.js';
import { Mailer } from './runtime/mail.js';
import { Readiness } from './runtime/readiness.js';
import { Workers } from './runtime/workers.js';

/** What every module stands on, apart from the database. */
@Global()
@Module({
  providers: [
    {
      provide: KeyRing,
      inject: [Config],
      useFactory: (config: Config) => new KeyRing(...config.installation.masterKeys),
    },
    HashQueue,
    ClientCertField,
    DeviceAuthorities,
    DeviceListener,
    Drain,
    Exports,
    HandshakeCosts,
    Hooks,
    Mailer,
    OrgExports,
    Principals,
    Readiness,
    TenantResolvers,
    RefusalLimiter,
    Retention,
    SearchKinds,
    SiteTrust,
    { provide: Workers, useFactory: () => new Workers() },
    { provide: APP_FILTER, useClass: HttpErrorFilter },
    // In this order: a stored answer goes through the envelope like a fresh one.
    { provide: APP_INTERCEPTOR, useClass: EnvelopeInterceptor },
    { provide: APP_INTERCEPTOR, useClass: StrictQueryInterceptor },
    { provide: APP_INTERCEPTOR, useClass: IdempotencyInterceptor },
  ],
  exports: [
    KeyRing,
    HashQueue,
    ClientCertField,
    DeviceAuthorities,
    DeviceListener,
    Drain,
    Exports,
    HandshakeCosts,
    Hooks,
    Mailer,
    OrgExports,
    Principals,
    Readiness,
    TenantResolvers,
    RefusalLimiter,
    Retention,
    SearchKinds,
    SiteTrust,
    Workers,
  ],
})
export class PlatformModule {}

import { Global, Module } from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR } from '@nestjs/core';
import { TenantResolvers } from './access.js';
import { Config } from './config.js';
import { KeyRing } from './crypto.js';
import { HashQueue } from './hash-queue.js';
import { Hooks } from './hooks.js';
import { EnvelopeInterceptor, HttpErrorFilter } from './http.js';
import { IdempotencyInterceptor } from './idempotency.js';
import { Mailer } from './mail.js';
import { RefusalLimiter } from './refusal-limiter.js';
import { Retention } from './retention.js';
import { StrictQueryInterceptor } from './strict-query.js';
import { Workers } from './workers.js';

/** What every module stands on, apart from the database. */
@Global()
@Module({
  providers: [
    { provide: KeyRing, inject: [Config], useFactory: (config: Config) => new KeyRing(config.masterKey) },
    HashQueue,
    Hooks,
    Mailer,
    TenantResolvers,
    RefusalLimiter,
    Retention,
    { provide: Workers, useFactory: () => new Workers() },
    { provide: APP_FILTER, useClass: HttpErrorFilter },
    // In this order: a stored answer goes through the envelope like a fresh one.
    { provide: APP_INTERCEPTOR, useClass: EnvelopeInterceptor },
    { provide: APP_INTERCEPTOR, useClass: StrictQueryInterceptor },
    { provide: APP_INTERCEPTOR, useClass: IdempotencyInterceptor },
  ],
  exports: [KeyRing, HashQueue, Hooks, Mailer, TenantResolvers, RefusalLimiter, Retention, Workers],
})
export class PlatformModule {}

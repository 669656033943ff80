import { Global, Module } from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR } from '@nestjs/core';
import { TenantResolvers } from './access.js';
import { Config } from './config.js';
import { KeyRing } from './crypto.js';
import { Hooks } from './hooks.js';
import { EnvelopeInterceptor, HttpErrorFilter } from './http.js';
import { RefusalLimiter } from './refusal-limiter.js';
import { Retention } from './retention.js';

/** What every module stands on, apart from the database. */
@Global()
@Module({
  providers: [
    { provide: KeyRing, inject: [Config], useFactory: (config: Config) => new KeyRing(config.masterKey) },
    Hooks,
    TenantResolvers,
    RefusalLimiter,
    Retention,
    { provide: APP_FILTER, useClass: HttpErrorFilter },
    { provide: APP_INTERCEPTOR, useClass: EnvelopeInterceptor },
  ],
  exports: [KeyRing, Hooks, TenantResolvers, RefusalLimiter, Retention],
})
export class PlatformModule {}

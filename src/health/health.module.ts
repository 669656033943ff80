import { Module } from '@nestjs/common';
import { HealthController } from './health.controller.js';

/** Whether this process lives, and whether it can serve. */
@Module({ controllers: [HealthController] })
export class HealthModule {}

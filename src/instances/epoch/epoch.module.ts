import { Module } from '@nestjs/common';
import { EpochRepository } from './epoch.repository.js';
import { Epoch } from './epoch.service.js';

/** The epoch; the admin command has it too. */
@Module({ providers: [Epoch, EpochRepository], exports: [Epoch] })
export class EpochModule {}

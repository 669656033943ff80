import { Module } from '@nestjs/common';
import { LeasesRepository } from '../leases/leases.repository.js';
import { EpochRepository } from './epoch.repository.js';
import { Epoch } from './epoch.service.js';

/** The epoch; the admin command has it too. */
@Module({ providers: [Epoch, EpochRepository, LeasesRepository], exports: [Epoch] })
export class EpochModule {}

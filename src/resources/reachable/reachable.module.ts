import { Module } from '@nestjs/common';
import { ReachableController } from './reachable.controller.js';
import { ReachableRepository } from './reachable.repository.js';
import { ReachableService } from './reachable.service.js';

/** What a caller may open. */
@Module({ controllers: [ReachableController], providers: [ReachableRepository, ReachableService] })
export class ReachableModule {}

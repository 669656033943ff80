import { Module } from '@nestjs/common';
import { EpochModule, TrustModule } from '../instances/index.js';
import { AdminCommands } from './admin-commands.js';

/** The admin command: what else it needs of other modules is global. */
@Module({ imports: [EpochModule, TrustModule], providers: [AdminCommands] })
export class AdminModule {}

import { Module } from '@nestjs/common';
import { MasterKeysModule } from '../cluster/index.js';
import { EpochModule, TrustModule } from '../instances/index.js';
import { AdminCommands } from './admin-commands.js';
import { MasterKeyRotation } from './master-key-rotation.js';

/** The admin command: what else it needs of other modules is global. */
@Module({ imports: [EpochModule, MasterKeysModule, TrustModule], providers: [AdminCommands, MasterKeyRotation] })
export class AdminModule {}

import { Module } from '@nestjs/common';
import { AdminCommands } from './admin-commands.js';

/** The admin command: what it needs of other modules is global. */
@Module({ providers: [AdminCommands] })
export class AdminModule {}

import { Module } from '@nestjs/common';
import { MasterKeysRepository } from './master-keys.repository.js';
import { MasterKeys } from './master-keys.service.js';

/** Under which master key values are written; for the server and for the admin command. */
@Module({ providers: [MasterKeys, MasterKeysRepository], exports: [MasterKeys] })
export class MasterKeysModule {}

import { Module } from '@nestjs/common';
import { BulkWrites } from './bulk-writes.js';

@Module({ providers: [BulkWrites], exports: [BulkWrites] })
export class BulkModule {}

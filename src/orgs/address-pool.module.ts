import { Module } from '@nestjs/common';
import { AddressPoolController } from './address-pool.controller.js';
import { AddressPoolRepository } from './address-pool.repository.js';
import { AddressPoolService } from './address-pool.service.js';

@Module({
  controllers: [AddressPoolController],
  providers: [AddressPoolService, AddressPoolRepository],
  exports: [AddressPoolService],
})
export class AddressPoolModule {}

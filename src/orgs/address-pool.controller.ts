import { Body, Controller, Delete, Get, Put, Query, type StreamableFile } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Access,
  Caller,
  ErrorResponses,
  ExportAs,
  type ExportFormat,
  Id,
  OrgId,
  PageQuery,
  type Principal,
  Returns,
} from '#platform';
import { AddressRangeBody, AddressRangeList, AddressRangeView } from './address-pool.dto.js';
import { AddressPoolService } from './address-pool.service.js';

@ApiTags('Organizations')
@Controller('org/:orgId')
export class AddressPoolController {
  constructor(private readonly pool: AddressPoolService) {}

  /** List the address ranges of an organization with what is free in them */
  @Get('address-ranges')
  @Access('listAddressRanges')
  @Returns(AddressRangeList, { message: 'Address ranges retrieved successfully', exports: true })
  listAddressRanges(
    @Caller() principal: Principal,
    @OrgId() orgId: string,
    @Query() page: PageQuery,
    @ExportAs() format?: ExportFormat,
  ): Promise<AddressRangeList | StreamableFile> {
    return format ? this.pool.exportRanges(principal, orgId, format) : this.pool.listRanges(principal, orgId, page);
  }

  /** Add a range to the address pool */
  @Put('address-range')
  @Access('createAddressRange')
  @ErrorResponses(409)
  @Returns(AddressRangeView, { status: 201, message: 'Address range created successfully' })
  createAddressRange(@Caller() principal: Principal, @OrgId() orgId: string, @Body() body: AddressRangeBody) {
    return this.pool.createRange(principal, orgId, body);
  }

  /** Remove a range that no site uses */
  @Delete('address-range/:rangeId')
  @Access('deleteAddressRange')
  @ErrorResponses(409)
  @Returns(null, { message: 'Address range deleted successfully' })
  deleteAddressRange(@Caller() principal: Principal, @OrgId() orgId: string, @Id('rangeId') rangeId: number) {
    return this.pool.deleteRange(principal, orgId, rangeId);
  }
}

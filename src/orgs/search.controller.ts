import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Caller, OwnAccess, type Principal, Returns } from '#platform';
import { SearchResult, SearchTextQuery } from './search.dto.js';
import { SearchService } from './search.service.js';

/** One search over all organizations of the caller (docs/integration-api.md §3.19). */
@ApiTags('Organizations')
@Controller()
export class SearchController {
  constructor(private readonly service: SearchService) {}

  /** Find sites, resources, keys, clients and people by a text, in all organizations of the caller */
  @Get('search')
  @OwnAccess()
  @Returns(SearchResult, { message: 'Search done successfully' })
  search(@Caller() caller: Principal, @Query() { query }: SearchTextQuery): Promise<SearchResult> {
    return this.service.search(caller, query);
  }
}

import { ApiProperty } from '@nestjs/swagger';
import { IsInt, IsPositive, Max } from 'class-validator';
import { BodyExample, IsIdList } from '#platform';

const MAX = 1000;
const ID_LIST = { type: 'array', maxItems: MAX, uniqueItems: true, items: { type: 'integer', minimum: 1 } } as const;

@BodyExample({ clientIds: [1, 2] })
export class ClientIdsBody {
  @IsIdList(MAX) @ApiProperty(ID_LIST) clientIds: number[];
}

@BodyExample({ clientId: 1 })
export class ClientIdBody {
  @Max(Number.MAX_SAFE_INTEGER) @IsPositive() @IsInt() @ApiProperty({ type: 'integer', minimum: 1 }) clientId: number;
}

@BodyExample({ siteResourceIds: [1, 2] })
export class SiteResourceIdsBody {
  @IsIdList(MAX, 1) @ApiProperty({ ...ID_LIST, minItems: 1 }) siteResourceIds: number[];
}

export class GrantedClient {
  clientId: number;
  name: string;
  /** `a.b.c.d/prefix` */
  subnet: string;
}

export class GrantedClients {
  @ApiProperty({ type: [GrantedClient] }) clients: GrantedClient[];
}

export class AddedToClient {
  addedCount: number;
  /** Those that the client had already. */
  skippedCount: number;
  /** Those that were added. */
  @ApiProperty({ type: [Number] }) siteResourceIds: number[];
}

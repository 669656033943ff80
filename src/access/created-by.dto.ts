import { ApiProperty } from '@nestjs/swagger';
import type { Principal } from '#platform';

/** Who made something, named as they were then. */
export class CreatedBy {
  @ApiProperty({ enum: ['user', 'api_key', 'root_key', 'system'] }) kind: Principal['kind'];
  /** User id or API key id; the server itself by its name. */
  id: string;
  name: string;
}

export const createdBy = ({ kind, id, name }: Principal): CreatedBy => ({ kind, id: id ?? name, name });

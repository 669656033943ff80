import { IsString, Length } from 'class-validator';

export class SearchTextQuery {
  /** Part of a name, niceId, hardware id, address or id, any case. */
  @IsString()
  @Length(2, 100)
  query: string;
}

export class SearchHit {
  /** `site`, `publicResource`, `privateResource`, `provisioningKey`, `apiKey`, `client` or `user`; later versions may find more. */
  kind: string;
  orgId: string;
  id: string;
  name: string;
  /** What tells it from its like: hardware id, full name, destination, e-mail address. */
  note: string | null;
}

export class SearchResult {
  /** At most 20 of each kind. */
  hits: SearchHit[];
}

/** What a client takes a field for; with `?` it may be null or absent. */
export type Kind = 'string' | 'integer' | 'number' | 'boolean' | 'list' | 'object';

/** One request of a client, and what it makes of the answer. `{name}` stands for what an earlier answer or the fixture gave. */
export interface ClientCall {
  method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** Below the client's prefix. */
  path: string;
  body?: Record<string, unknown>;
  /** [any success] */
  status?: number;
  /** Fields of `data` that the client reads, by path: `sites[].siteId` is that of every entry, `''` the data itself. */
  reads?: Record<string, Kind | `${Kind}?`>;
  /** Fields whose value the client compares with what it sent or wants. */
  shows?: Record<string, unknown>;
  /** What later calls say: a name, and the field of `data` that holds it. */
  keeps?: Record<string, string>;
}

/** A client of this API that somebody else wrote, as data: facts about what it sends and reads. */
export interface ForeignClient {
  name: string;
  /** Under which it calls [/v1]. */
  prefix?: '/v1' | '/api/v1';
  /** Beside the credential. */
  headers?: Record<string, string>;
  /** `always`: the content type is sent without a body too. */
  contentType?: 'with a body' | 'always';
  /** It refuses a field that its document does not know. */
  strict?: boolean;
  calls: ClientCall[];
}

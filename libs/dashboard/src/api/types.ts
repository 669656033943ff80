import type { ApiProblem } from './problem';
import type { paths } from './schema.gen';

/** The ETag under which an object was answered; undefined for what has none. Sent back by `If-Match` (src/api/versions.ts). */
export interface Versioned {
  $etag?: string;
}

type Content<R> = R extends { content: { 'application/json': infer Body } } ? Body : never;
type Unwrapped<Body> = Body extends { data: infer Data; success: true | boolean; error: unknown }
  ? Data extends object
    ? Data & Versioned
    : Data
  : Body;

/** What a call may add; `X-CSRF-Token` the client adds to each. */
interface Headers {
  'If-Match'?: string;
  'Idempotency-Key'?: string;
}

/** An operation as the client gives it: the data of the envelope, and one kind of error. */
type Operation<Op> = Op extends { responses: infer Responses }
  ? Omit<Op, 'responses' | 'parameters'> & {
      parameters: Op extends { parameters: infer Parameters }
        ? Omit<Parameters, 'header'> & { header?: Headers }
        : never;
      responses: {
        [Status in keyof Responses]: Omit<Responses[Status], 'content'> & {
          content: Status extends 200 | 201 | 202
            ? [Content<Responses[Status]>] extends [never]
              ? Responses[Status] extends { content: infer Other }
                ? Other
                : never
              : { 'application/json': Unwrapped<Content<Responses[Status]>> }
            : { 'application/json': ApiProblem };
        };
      };
    }
  : Op;

/** The paths below `/api/v1`, with answers out of their envelopes. */
export type ApiPaths = {
  [Path in keyof paths as Path extends `/api/v1${infer Rest}` ? Rest : never]: {
    [Method in keyof paths[Path]]: Operation<paths[Path][Method]>;
  };
};

export type { components } from './schema.gen';

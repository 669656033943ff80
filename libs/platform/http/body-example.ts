import type { Type } from '@nestjs/common';

export interface ExampleOfBody {
  type: Type<object>;
  example: object;
  /** The same as text, for routes that take a document as it is written. */
  yaml?: string;
}

/** The example of each body, by the name of its class, which is that of its schema. */
export const BODY_EXAMPLES = new Map<string, ExampleOfBody>();

/**
 * A whole body as somebody would send it: what the API's page offers to send beside every operation that takes the class. It is what the
 * server accepts (test/body-examples.spec.ts).
 */
export const BodyExample =
  (example: object, yaml?: string): ClassDecorator =>
  (target) =>
    void BODY_EXAMPLES.set(target.name, { type: target as never, example, yaml });

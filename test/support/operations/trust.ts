import { type Operation, read } from './operation.js';

export const TRUST_OPERATIONS: Record<string, Operation> = {
  getTrust: read('site'),
  listSigningKeys: read('key'),
  rotateSigningKey: { by: 'key', call: () => ({}), audit: ['signing_key.rotate', 'signing_key', 'current'] },
};

import { expect, it } from 'vitest';
import { bundleVersionText, EPOCH } from './instances.js';

it('a version of a bundle is read as its epoch and its number', () => {
  expect([1, EPOCH + 1, EPOCH + 42, 3 * EPOCH].map(bundleVersionText)).toEqual(['0.1', '1.1', '1.42', '3.0']);
});

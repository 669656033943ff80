import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ApiContract, type ApiDocument } from './support/openapi.js';

const { operations } = new ApiContract(
  JSON.parse(readFileSync(new URL('../docs/openapi.json', import.meta.url), 'utf8')) as ApiDocument,
);

/** Lists that are answered in pages and cannot be asked for as a file, and why. */
const NOT_EXPORTED = {
  getDnsRecords: 'the two or three records of one domain, to be copied into a zone',
  getSecret: 'one secret; its versions stand beside it, and no value is in either',
  listApiKeyActions: 'words that the key holds, which its own page has',
  listOwnSessions: 'what its caller is signed in with, to be looked at and ended',
  listSiteResourcesOfSite: 'each row twice, flat and nested, for other clients; `listSiteResources` takes `siteId`',
  listUserResources: 'two lists in one answer, what its caller reaches',
};

/** `docs/integration-api.md` §1.12 */
it('every list that has pages is exported too, but for those that are named here', () => {
  const paged = operations.filter(
    ({ method, parameters, responses }) =>
      method === 'GET' &&
      'application/json' in (responses['200']?.content ?? {}) &&
      parameters?.some(({ name, in: place }) => name === 'limit' && place === 'query'),
  );
  expect(paged.length).toBeGreaterThan(40);
  const without = paged.filter(({ parameters }) => !parameters!.some(({ name }) => name === 'format'));
  expect(without.map(({ operationId }) => operationId).sort()).toEqual(Object.keys(NOT_EXPORTED));
});

import { expect, it } from 'vitest';
import { isAllowed, reasonOf } from './entries.js';

it.each([
  [null, { ruleId: 7 }, true, 100],
  ['forbidden', { ruleId: 7 }, false, 203],
  [null, { authentication: 'none' }, true, 101],
  [null, { authentication: 'access_token' }, true, 102],
  [null, { authentication: 'header_auth' }, true, 103],
  [null, { authentication: 'pincode' }, true, 104],
  [null, { authentication: 'password' }, true, 105],
  [null, { authentication: 'whitelist' }, true, 106],
  [null, { authentication: 'sso' }, true, 107],
  // What went wrong behind says nothing against who asked.
  ['site_offline', { authentication: 'sso' }, true, 107],
  ['timeout', { ruleId: 7 }, true, 100],
  ['forbidden', null, false, 202],
  ['unauthenticated', null, false, 204],
  ['maintenance', null, false, 299],
  ['bad_request', null, false, 299],
] as const)('an answer with %s that was decided by %o', (code, decidedBy, allowed, reason) => {
  expect([isAllowed({ code }), reasonOf({ code, decidedBy })]).toEqual([allowed, reason]);
});

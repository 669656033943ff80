// Who sees names of secrets: docs/instances.md §2 rule 9.
import 'reflect-metadata';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Api } from '../support/api.js';
import { documentNaming } from '../support/secrets.js';
import { SecretsOrg } from '../support/secrets-org.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let of: SecretsOrg;
beforeAll(async () => {
  app = await openTestApp();
  of = await SecretsOrg.create(app);
});
afterAll(() => app?.close());

const save = (api: Api, name: string, query: string) =>
  api.put(of.org.path(`provisioning-profile/${of.plain}/bootstrap${query}`), { document: documentNaming([name]) });

it.each(['', '?dryRun=true'])(
  'a bootstrap that is refused suggests names to who may list them alone, and says whether there is one to who may use it: %j',
  async (query) => {
    const key = (...actions: ('useSecret' | 'listSecrets')[]) =>
      app.orgKey(of.org.orgId, 'updateProvisioningProfile', ...actions);
    const unlisted = await save(await key('useSecret'), 'TOKENS', query);
    expect([unlisted.status, unlisted.text]).toEqual([400, expect.stringContaining('there is no secret TOKENS')]);
    expect(unlisted.text).not.toContain('did you mean');
    expect((await save(await key('useSecret', 'listSecrets'), 'TOKENS', query)).text).toContain('did you mean TOKEN?');
    const bare = await key('listSecrets');
    const [there, nowhere] = [await save(bare, 'TOKEN', query), await save(bare, 'TOKENS', query)];
    expect([there.status, there.text]).toEqual([403, nowhere.text]);
  },
);

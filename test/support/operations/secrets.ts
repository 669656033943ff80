import { type FixtureOrg } from '../fixture-org.js';
import { secretValue } from '../secret-values.js';
import { type Call, type Operation, PAGE, read } from './operation.js';

export const SECRETS_OPERATIONS: Record<string, Operation> = {
  createSecret: {
    by: 'key',
    call: (fixture) => {
      const name = fixture.secretName();
      return { body: { name, value: secretValue(fixture.name('value')), profileIds: [fixture.profileId] } };
    },
    audit: ['secret.create', 'secret', 'name'],
  },
  listSecrets: read('key', () => ({ query: { page: 1, pageSize: 10, query: 'SECRET', order: 'desc' } })),
  getSecret: read('key', async (fixture) => ({ ...(await secret(fixture)), query: PAGE })),
  updateSecret: {
    by: 'key',
    call: async (fixture) => ({ ...(await secret(fixture)), body: { profileIds: [fixture.profileId] } }),
    audit: ['secret.update', 'secret', 'name'],
  },
  addSecretVersion: {
    by: 'key',
    call: async (fixture) => ({ ...(await secret(fixture)), body: { value: secretValue(fixture.name('value')) } }),
    audit: ['secret.add_version', 'secret', 'name'],
  },
  destroySecretVersion: {
    by: 'key',
    call: async (fixture) => ({ params: { ...(await secret(fixture)).params, version: 1 }, query: { force: true } }),
    audit: ['secret.destroy_version', 'secret', 'name'],
  },
  deleteSecret: { by: 'key', call: secret, audit: ['secret.delete', 'secret', 'name'] },
};

async function secret(fixture: FixtureOrg): Promise<Call> {
  return { params: { name: await fixture.secret() } };
}

import { type FixtureOrg } from '../fixture-org.js';
import { type Call, type Operation, PAGE, read } from './operation.js';

export const BOOTSTRAPS_OPERATIONS: Record<string, Operation> = {
  saveBootstrap: {
    by: 'key',
    call: async (fixture) => {
      const document = `env: { SECRET: "{{secret.${await fixture.secret()}}}" }\n`;
      return { params: { profileId: await fixture.profile() }, body: { document, rollout: { canary: 1 } } };
    },
    audit: ['bootstrap.save', 'provisioning_profile', 'profileId'],
  },
  getBootstrap: read('key', async (fixture) => ({ ...(await bootstrap(fixture)), query: { revision: 1 } })),
  listBootstrapRevisions: read('key', async (fixture) => ({ ...(await bootstrap(fixture)), query: PAGE })),
  revertBootstrap: {
    by: 'key',
    call: async (fixture) => ({ ...(await bootstrap(fixture)), body: { revision: 1 } }),
    audit: ['bootstrap.revert', 'provisioning_profile', 'profileId'],
  },
  deleteBootstrap: {
    by: 'key',
    call: async (fixture) => ({ ...(await bootstrap(fixture)), query: { canary: 1, perMinute: 0 } }),
    audit: ['bootstrap.delete', 'provisioning_profile', 'profileId'],
  },
};

/** A profile whose bootstrap has two revisions. */
async function bootstrap(fixture: FixtureOrg): Promise<Call> {
  const profileId = await fixture.profile();
  for (const value of ['one', 'two']) {
    const document = `env: { VALUE: "${fixture.name(value)}" }\n`;
    await fixture.root.expect('PUT', fixture.path(`provisioning-profile/${profileId}/bootstrap`), { document });
  }
  return { params: { profileId } };
}

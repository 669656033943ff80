import { ACTIONS } from '#contracts';
import { type Api, newHardwareId, provision, type TestKey, TestOrg } from './api.js';
import { secretValue } from './secret-values.js';
import { profileNaming } from './secrets.js';
import type { TestApp } from './test-app.js';

/** For tests of who may let a site receive a secret: profiles with and without one, and who may do everything else. */
export class SecretsOrg {
  private constructor(
    private readonly app: TestApp,
    readonly org: TestOrg,
    /** Its bootstrap names the secret `TOKEN`. */
    readonly delivering: number,
    /** Its bootstrap names none. */
    readonly plain: number,
    /** Everything but `useSecret`. */
    readonly without: Api,
  ) {}

  static async create(app: TestApp): Promise<SecretsOrg> {
    const org = await TestOrg.create(app.root);
    await app.root.expect('PUT', org.path('secret'), { name: 'TOKEN', value: secretValue('x') });
    return new SecretsOrg(
      app,
      org,
      await profileNaming(app, org.orgId, ['TOKEN']),
      await profileNaming(app, org.orgId, []),
      await app.orgKey(org.orgId, ...ACTIONS.filter((action) => action !== 'useSecret')),
    );
  }

  /** A key for ten sites under a template of the profile. */
  key = (
    profileId: number | null,
    body: Record<string, unknown> = {},
    under: Record<string, unknown> = {},
  ): Promise<TestKey> => this.org.keyUnder({ profileId, ...under }, { maxBatchSize: 10, ...body });

  claim = (by: TestKey, hardwareId: string = newHardwareId()) =>
    provision(this.app.root.url, { provision_key: by.siteProvisioningKey, hardware_id: hardwareId });

  /** A pending site that a key of the profile made. */
  async site(profileId: number): Promise<{ siteId: number; hardwareId: string }> {
    const hardwareId = newHardwareId();
    const claimed = await this.claim(await this.key(profileId, { approveNewSites: false }), hardwareId);
    const [row] = await this.app.sql<{ siteId: number }>('SELECT site_id AS "siteId" FROM site WHERE device_id = $1', [
      claimed.body.device_id,
    ]);
    return { siteId: row!.siteId, hardwareId };
  }
}

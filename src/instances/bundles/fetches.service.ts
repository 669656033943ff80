import { Injectable, Logger } from '@nestjs/common';
import { Counter } from 'prom-client';
import { BootstrapError, EMPTY_BOOTSTRAP, type RenderedBootstrap, render } from '#bootstrap';
import { type BundlePayload, JOSE_TYPE } from '#contracts';
import { AppError, Db, databaseBusy, FairQueue, KeyRing, notFound, sha256 } from '#platform';
import { BootstrapsService } from '../bootstraps/bootstraps.service.js';
import { SecretsService } from '../secrets/secrets.service.js';
import { SigningKeys } from '../trust/signing-keys.service.js';
import { type BundleInputs, secretVersionsOf } from './bundle-inputs.js';
import { BundlesService } from './bundles.service.js';
import { FetchesRepository, type FetchRow } from './fetches.repository.js';
import { notApproved } from './refusals.js';
import { seal } from './sealing.js';

/** Looks at what the site is to have, when it changes at the same moment. */
const ATTEMPTS = 5;
const RANDOM_BYTES = 16;
/**
 * A bundle of a megabyte is ten in memory until it is sealed, and a site may ask for it as often as it likes. One that waits takes next to
 * nothing: a whole fleet that starts at once is not turned away.
 */
const BOUNDS = {
  running: 8,
  waitingPerSource: 5_000,
  waiting: 20_000,
  refusal: 'Too many bundles are being made at the moment',
};

const fetches = new Counter({
  name: 'gatehouse_bundle_fetches_total',
  help: 'Requests of instances for their bundle by what became of them',
  labelNames: ['result'],
});

/** A bundle as it leaves. */
export interface Fetched {
  jose: string;
  /** SHA-256 of the JWS, base64url. */
  digest: string;
}

type Offered = FetchRow & { version: number; inputs: BundleInputs };

/**
 * Bundles as sites fetch them (docs/instances.md §4): rendered, signed and sealed for each fetch, from inputs; neither the rendered form nor
 * values of secrets are kept longer than the request.
 */
@Injectable()
export class FetchesService {
  private readonly logger = new Logger(FetchesService.name);
  private readonly making = new FairQueue(BOUNDS);

  constructor(
    private readonly db: Db,
    private readonly repository: FetchesRepository,
    private readonly bundles: BundlesService,
    private readonly bootstraps: BootstrapsService,
    private readonly secrets: SecretsService,
    private readonly signingKeys: SigningKeys,
    private readonly keyRing: KeyRing,
  ) {}

  /**
   * @param known digests of bundles that the caller has
   * @returns the bundle, or only its digest when the caller has it
   * @throws not_found; pending_approval for a site that is not in service; bundle_key_missing where its profile wants bundles sealed and it has no
   * key; bundle_unusable where it cannot be made, such as of a secret that was destroyed; capacity
   */
  fetch(orgId: string, siteId: number, known: readonly string[]): Promise<Fetched | { digest: string }> {
    return this.making.run({ source: `org:${orgId}`, name: `site:${siteId}` }, () => this.make(orgId, siteId, known));
  }

  private async make(orgId: string, siteId: number, known: readonly string[]): Promise<Fetched | { digest: string }> {
    const row = await this.offered(orgId, siteId);
    if (row.digest !== null && known.includes(row.digest)) {
      fetches.inc({ result: 'not_modified' });
      return { digest: row.digest };
    }
    if (!row.bundleKey && row.sealed === 'required')
      throw refused('no_key', new AppError('bundle_key_missing', NO_KEY));
    const { made, rendered } = await this.made(orgId, siteId, row);
    const jws = await this.signingKeys.sign(made.orgUid, JOSE_TYPE.bundle, await this.payload(siteId, made, rendered));
    const digest = sha256(jws).toString('base64url');
    const [jose] = await Promise.all([
      made.bundleKey ? seal(jws, made.bundleKey) : jws,
      digest !== made.digest && this.repository.keepDigest(this.db.manager, siteId, made.version, made.jkt, digest),
    ]);
    fetches.inc({ result: made.bundleKey ? 'sealed' : 'unsealed' });
    return { jose, digest };
  }

  /** What the site is to have: looked at again, whoever has told or not told of a change. */
  private async offered(orgId: string, siteId: number): Promise<Offered> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const row = await this.repository.read(this.db.manager, orgId, siteId);
      if (!row) throw notFound('Site');
      if (row.status !== 'approved') throw refused('pending', notApproved(row.niceId));
      if (row.version !== null) return row as Offered;
      await this.db.tx((tx) => this.bundles.refresh(tx, orgId, siteId));
    }
    throw databaseBusy();
  }

  /** One that cannot be made for want of a secret's version is offered again with what is there by now. */
  private async made(
    orgId: string,
    siteId: number,
    row: Offered,
  ): Promise<{ made: Offered; rendered: RenderedBootstrap }> {
    try {
      return { made: row, rendered: await this.render(orgId, row.inputs) };
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'bundle_unusable') throw error;
      if (await this.db.tx((tx) => this.bundles.mend(tx, orgId, siteId)))
        return this.made(orgId, siteId, await this.offered(orgId, siteId));
      this.logger.warn({ siteId, version: row.version, problem: error.message }, 'A bundle could not be made');
      throw refused('unusable', error);
    }
  }

  /** @throws bundle_unusable, which names no value */
  private async render(orgId: string, inputs: BundleInputs): Promise<RenderedBootstrap> {
    const em = this.db.manager;
    const { profileId, revision, site, labels } = inputs;
    const values = await this.secrets.values(em, orgId, profileId, secretVersionsOf(inputs)).catch((error: unknown) => {
      throw error instanceof AppError && error.code === 'conflict' ? unusable(error.message) : error;
    });
    try {
      const isEmpty = profileId === null || revision === null;
      return render(isEmpty ? EMPTY_BOOTSTRAP : await this.bootstraps.revision(em, profileId, revision), {
        secrets: new Map(
          Object.entries(inputs.secrets).map(([name, { secretVersionId }]) => [name, values.get(secretVersionId)!]),
        ),
        site,
        labels: present(labels),
        org: { id: orgId },
      });
    } catch (error) {
      throw error instanceof BootstrapError ? unusable(error.message) : error;
    }
  }

  private async payload(
    siteId: number,
    { orgUid, deviceId, version: ver, jkt }: Offered,
    rendered: RenderedBootstrap,
  ): Promise<BundlePayload> {
    const { next } = await this.signingKeys.thumbprints(orgUid);
    const random = this.keyRing.mac('bundle-random', `${siteId}:${ver}`).subarray(0, RANDOM_BYTES);
    const rnd = random.toString('base64url');
    const cnf = jkt === null ? {} : { cnf: { jkt } };
    return { iss: orgUid, sub: deviceId, aud: deviceId, ver, rnd, ...cnf, keys: [next], ...rendered };
  }
}

/** Labels that the site has. */
const present = (labels: BundleInputs['labels']): Record<string, string> =>
  Object.fromEntries(Object.entries(labels).flatMap(([name, value]) => (value === null ? [] : [[name, value]])));

const unusable = (problem: string) => new AppError('bundle_unusable', `The bundle cannot be made: ${problem}`);

function refused(result: string, error: AppError): AppError {
  fetches.inc({ result });
  return error;
}

const NO_KEY =
  'The profile of this site wants bundles sealed, and the site has no bundle key: run a current agent, or set "sealed" of the profile to "when_possible"';

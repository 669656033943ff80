import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { query } from '#platform';
import type { BundleInputs, SecretInput, SiteInput } from './bundle-inputs.js';
import type { SiteFacts } from './bundles.repository.js';

/** What a document names. */
interface Uses {
  secrets: ReadonlyMap<string, SecretInput>;
  site: readonly SiteInput[];
  labels: readonly string[];
}

const NOTHING: Uses = { secrets: new Map(), site: [], labels: [] };

/** Fills in what the document of a bundle names. */
@Injectable()
export class InputsService {
  /**
   * Profile and revision are taken as they are, and versions of secrets that the document names. Other secrets are left out; those that it names
   * beside them come in their settled version, fields and labels as the site has them now.
   * @returns the inputs of each, in the order given
   */
  async complete(
    em: EntityManager,
    orgId: string,
    bundles: { site: SiteFacts; inputs: BundleInputs }[],
  ): Promise<BundleInputs[]> {
    const uses = new Map<string, Uses>();
    for (const { inputs } of bundles) {
      const key = keyOf(inputs);
      if (!uses.has(key)) uses.set(key, await this.usesOf(em, orgId, inputs));
    }
    return bundles.map(({ site, inputs }) => {
      const { secrets, site: fields, labels } = uses.get(keyOf(inputs))!;
      return {
        profileId: inputs.profileId,
        revision: inputs.revision,
        secrets: Object.fromEntries([...secrets].map(([name, fresh]) => [name, own(inputs.secrets, name) ?? fresh])),
        site: Object.fromEntries(fields.map((field) => [field, site[field]])),
        labels: Object.fromEntries(labels.map((label) => [label, own(site.labels, label) ?? null])),
      };
    });
  }

  private async usesOf(em: EntityManager, orgId: string, { profileId, revision }: BundleInputs): Promise<Uses> {
    if (profileId === null || revision === null) return NOTHING;
    const secrets = await query<SecretInput & { name: string }>(
      em,
      `SELECT s.name, s.secret_id AS "secretId", v.secret_version_id AS "secretVersionId", v.version
       FROM bootstrap_secret n JOIN secret s ON s.secret_id = n.secret_id JOIN secret_version v ON v.secret_id = s.secret_id AND v.version = s.settled_version
       WHERE s.org_id = $1 AND n.profile_id = $2 AND n.revision = $3 ORDER BY s.name`,
      [orgId, profileId, revision],
    );
    return { ...NOTHING, secrets: new Map(secrets.map(({ name, ...input }) => [name, input])) };
  }
}

const keyOf = ({ profileId, revision }: BundleInputs): string => `${profileId}:${revision}`;

const own = <Value>(values: Record<string, Value>, name: string): Value | undefined =>
  Object.hasOwn(values, name) ? values[name] : undefined;

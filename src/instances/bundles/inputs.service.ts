import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { BootstrapError, EMPTY_BOOTSTRAP, type SiteField, type Uses, usesOf } from '#bootstrap';
import { BootstrapsService } from '../bootstraps/bootstraps.service.js';
import { isFor } from '../secrets/secret-delivery.js';
import type { NamedSecret } from '../secrets/secrets.repository.js';
import { SecretsService } from '../secrets/secrets.service.js';
import type { BundleInputs, SecretInput } from './bundle-inputs.js';
import type { SiteFacts } from './bundles.repository.js';

/** Fills in what the document of a bundle names. */
@Injectable()
export class InputsService {
  constructor(
    private readonly bootstraps: BootstrapsService,
    private readonly secrets: SecretsService,
  ) {}

  /**
   * Profile and revision are taken as they are, and versions of secrets that the document names. Other secrets are left out; those that it names
   * beside them come in their settled version, fields and labels as the site has them now. A secret that is not for the profile is left out.
   * @returns the inputs of each, in the order given
   * @throws not_found for a revision that the profile has not
   */
  async complete(
    em: EntityManager,
    orgId: string,
    bundles: { site: SiteFacts; inputs: BundleInputs }[],
  ): Promise<BundleInputs[]> {
    const uses = await this.usesOf(em, bundles);
    const names = [...uses.values()].flatMap(({ secrets }) => secrets);
    const named = await this.secrets.named(em, orgId, [...new Set(names)]);
    return bundles.map(({ site, inputs }) => {
      const { secrets, site: fields, labels } = uses.get(keyOf(inputs))!;
      return {
        profileId: inputs.profileId,
        revision: inputs.revision,
        secrets: Object.fromEntries(
          secrets.flatMap((name) => {
            const secret = named.get(name);
            const may = !secret || isFor(secret.profileIds, inputs.profileId);
            const input = may && (own(inputs.secrets, name) ?? settledOf(secret));
            // One that is not there is told when the bundle is made.
            return input ? [[name, input]] : [];
          }),
        ),
        site: Object.fromEntries(fields.map((field) => [field, site[field]])),
        labels: Object.fromEntries(labels.map((label) => [label, own(site.labels, label) ?? null])),
      };
    });
  }

  private async usesOf(em: EntityManager, bundles: { inputs: BundleInputs }[]): Promise<Map<string, Uses>> {
    const uses = new Map<string, Uses>();
    for (const { inputs } of bundles) {
      const key = keyOf(inputs);
      if (!uses.has(key)) uses.set(key, await this.named(em, inputs));
    }
    return uses;
  }

  private async named(em: EntityManager, inputs: BundleInputs): Promise<Uses> {
    const { profileId, revision, secrets, site, labels } = inputs;
    if (profileId === null || revision === null) return usesOf(EMPTY_BOOTSTRAP);
    try {
      return usesOf(await this.bootstraps.revision(em, profileId, revision));
    } catch (error) {
      // Rules of today refuse a document of then, which is told when the bundle is made: a site can be renamed all the same.
      if (!(error instanceof BootstrapError)) throw error;
      return { secrets: Object.keys(secrets), site: Object.keys(site) as SiteField[], labels: Object.keys(labels) };
    }
  }
}

const keyOf = ({ profileId, revision }: BundleInputs): string => `${profileId}:${revision}`;

const settledOf = (secret: NamedSecret | undefined): SecretInput | undefined =>
  secret && { secretId: secret.secretId, ...secret.settled };

const own = <Value>(values: Record<string, Value>, name: string): Value | undefined =>
  Object.hasOwn(values, name) ? values[name] : undefined;

import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { type Blueprint, OPEN_SITE_TEMPLATES, type PublicEntry, type SiteValues, withoutSecrets } from '#blueprint';
import { Db, type Turn } from '#platform';
import { BlueprintsRepository } from './blueprints.repository.js';
import { type ApplyOptions, DocumentApplier, type Outcome, type SiteKind } from './document-applier.js';
import { Documents } from './documents.js';
import { HistoryService } from './history.service.js';
import { LabelDocuments } from './label-documents.service.js';
import { describeAll, turnOf } from './outcomes.js';

/** Documents of sites: those that they send about themselves, and those of their profiles (docs/blueprints.md). */
@Injectable()
export class SiteDocumentsService {
  constructor(
    private readonly db: Db,
    private readonly repository: BlueprintsRepository,
    private readonly applier: DocumentApplier,
    private readonly labels: LabelDocuments,
    private readonly history: HistoryService,
    private readonly documents: Documents,
  ) {}

  /**
   * A document that a site sends about itself. Problems are an answer, not an error. A bootstrap is applied once per site and remembered
   * here; a repeated one is told so and changes nothing.
   * @param claiming of a newt: on the session of its claim (docs/newt.md §2.8)
   * @throws database_unavailable and what else may pass by itself
   */
  async applyFromSite(
    orgId: string,
    siteId: number,
    kind: SiteKind,
    document: string,
    claiming = false,
  ): Promise<Outcome> {
    // An agent fills templates in, and so may a value look like one; an unmodified newt leaves in place what it does not know.
    const options = { format: 'auto', literal: kind !== 'newt' } as const;
    const parsed = await this.documents.read(turnOf(orgId, siteId), document, options);
    if (!parsed.ok) return { ok: false, message: describeAll(parsed.problems), problems: parsed.problems };
    const outcome =
      kind === 'labels'
        ? await this.labels.applyModel(orgId, siteId, parsed.model)
        : await this.applyModel(orgId, siteId, kind, parsed.model, { claiming });
    if (outcome.problems.length === 0) return outcome;
    const places = await this.documents.places(
      turnOf(orgId, siteId),
      document,
      options,
      outcome.problems.map((problem) => problem.path),
    );
    return { ...outcome, problems: outcome.problems.map((problem, i) => ({ ...problem, ...places[i] })) };
  }

  /**
   * A profile's blueprint, once for a site; after it was applied another call changes nothing. What is wrong with it is recorded and not
   * thrown: the claim has happened, and it is tried again when somebody may have mended it. @returns whether nothing is left to do
   */
  async applyProfile(orgId: string, siteId: number, text: string): Promise<boolean> {
    const site = await this.db.tx((tx) => this.repository.lockSite(tx, orgId, siteId));
    if (!site) return true;
    const { name, niceId, hardwareId, labels } = site;
    const values = { name, niceId, hardwareId, labels };
    const parsed = await this.documents.read(turnOf(orgId, siteId), text, { site: values, operators: true });
    if (parsed.ok)
      return (
        await this.applyModel(orgId, siteId, 'profile', parsed.model, {
          operators: await this.fixedEntries(turnOf(orgId, siteId), text, values, parsed.model),
        })
      ).ok;
    const message = describeAll(parsed.problems);
    await this.history.refuse({
      orgId,
      siteId,
      name: site.name,
      source: 'NEWT',
      kind: 'profile',
      succeeded: false,
      message,
      contents: withoutSecrets(text, OPEN_SITE_TEMPLATES),
    });
    return false;
  }

  /**
   * Which public resources of a profile are the same whatever the site calls itself: a device chooses its name and hardware id, and must not
   * become another resource's target by them.
   */
  private async fixedEntries(turn: Turn, text: string, site: SiteValues, model: Blueprint): Promise<boolean[]> {
    if (!text.includes('{{')) return model.publicResources.map(() => true);
    const { model: other } = await this.documents.read(turn, text, {
      site: { ...site, name: 'any-other', hardwareId: 'any-other' },
      operators: true,
    });
    const described = (entry: PublicEntry | undefined) => entry && { ...entry, targets: [] };
    return model.publicResources.map((entry, i) =>
      isDeepStrictEqual(described(entry), described(other?.publicResources[i])),
    );
  }

  private async applyModel(
    orgId: string,
    siteId: number,
    kind: SiteKind,
    model: Blueprint,
    options: ApplyOptions,
  ): Promise<Outcome> {
    const { outcome, recordRefusal } = await this.applier.apply(orgId, siteId, kind, model, options);
    if (outcome.problems.length > 0) await recordRefusal(outcome.message);
    return outcome;
  }
}

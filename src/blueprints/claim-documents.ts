import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Blueprint } from '#blueprint';
import { type ResourceType, ResourceWriter } from '../resources/index.js';
import { BlueprintsRepository } from './blueprints.repository.js';
import type { Applicant, DocumentKeys } from './current-state.js';
import { DeclarationsRepository } from './declarations.repository.js';

const TYPES: ResourceType[] = ['resource', 'site_resource'];
const NOTHING: DocumentKeys = { resource: [], site_resource: [] };
/** From the third document on they are changes of one file, and are kept as one. */
const KEPT = 3;

/**
 * On the session of its claim a newt sends two files without saying which is which; on every later one it sends only its blueprint file. What
 * was the provisioning blueprint's is settled by the first document of a later session, and becomes the operator's (docs/newt.md §2.8).
 */
@Injectable()
export class ClaimDocuments {
  constructor(
    private readonly repository: BlueprintsRepository,
    private readonly declarations: DeclarationsRepository,
    private readonly writer: ResourceWriter,
  ) {}

  /** Notes a document of the claim's session, or settles with one of a later session whose the noted ones were; before its plan is made. */
  async take(tx: EntityManager, { orgId, claiming }: Applicant, sourceId: number, model: Blueprint): Promise<void> {
    const documents = await this.repository.claimDocuments(tx, sourceId);
    const keys = keysIn(model);
    if (claiming) return this.repository.setClaimDocuments(tx, sourceId, noted(documents, keys));
    if (documents === null) return;
    const provisioned =
      documents.length === 0
        ? without(await this.declarations.keysOf(tx, sourceId), keys)
        : provisionedBy(documents, keys);
    for (const type of TYPES) {
      const ids = await this.declarations.release(tx, orgId, sourceId, type, provisioned[type]);
      if (type === 'resource') await this.writer.disown(tx, orgId, sourceId, ids);
    }
    await this.repository.setClaimDocuments(tx, sourceId, null);
  }
}

/** @param documents null before the first; an empty list, which stays one: documents that nobody noted */
export function noted(documents: DocumentKeys[] | null, keys: DocumentKeys): DocumentKeys[] {
  if (documents === null) return [keys];
  if (documents.length === 0) return documents;
  if (documents.length < KEPT) return [...documents, keys];
  return [...documents.slice(0, KEPT - 1), together(documents[KEPT - 1]!, keys)];
}

/**
 * What the provisioning blueprint named. It comes once and right behind the blueprint file: it is the only document or the second one, if
 * that names nothing which the file names too. In doubt a resource stays.
 * @param later the file, as a later session has it
 */
export function provisionedBy(documents: DocumentKeys[], later: DocumentKeys): DocumentKeys {
  const at = Math.min(documents.length - 1, 1);
  const ofTheFile = [later, ...documents.filter((_, i) => i !== at)];
  // Nobody begins to use a file without anything in it: it is the one that was sent before, emptied.
  const emptied = documents.length === 1 && TYPES.every((type) => later[type].length === 0);
  return emptied || ofTheFile.some((file) => overlap(file, documents[at]!)) ? NOTHING : documents[at]!;
}

const each = (make: (type: ResourceType) => string[]): DocumentKeys => ({
  resource: make('resource'),
  site_resource: make('site_resource'),
});
const keysIn = ({ publicResources, privateResources }: Blueprint): DocumentKeys => ({
  resource: publicResources.map(({ key }) => key),
  site_resource: privateResources.map(({ key }) => key),
});
const together = (a: DocumentKeys, b: DocumentKeys) => each((type) => [...new Set([...a[type], ...b[type]])]);
const without = (a: DocumentKeys, b: DocumentKeys) => each((type) => a[type].filter((key) => !b[type].includes(key)));
const overlap = (a: DocumentKeys, b: DocumentKeys) =>
  TYPES.some((type) => a[type].some((key) => b[type].includes(key)));

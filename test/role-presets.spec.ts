import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PRESET_ACTIONS } from '#contracts';

const document = JSON.parse(readFileSync(new URL('../docs/openapi.json', import.meta.url), 'utf8')) as {
  paths: Record<string, Record<string, { operationId: string; 'x-scope': string }>>;
};

/** By GET, and yet they reserve what somebody is about to create, and answer its secret. */
const RESERVES = ['pickSiteDefaults', 'pickClientDefaults'];
/** By another method than GET, and yet they only read: what they ask for is too long for a query. */
const READS = ['lookUpSites'];
/** What they do asks for the action of what is done, beside the one of the route. */
const ASK_FURTHER = ['actOnSites', 'reportLeakedKey'];

const operations = Object.values(document.paths).flatMap((item) =>
  Object.entries(item).flatMap(([method, { operationId, 'x-scope': scope }]) => {
    const action = /^org:(\w+)$/.exec(scope)?.[1];
    const reads = method === 'get' ? !RESERVES.includes(operationId) : READS.includes(operationId);
    return action === undefined || ASK_FURTHER.includes(operationId) ? [] : [{ operationId, action, reads }];
  }),
);
const may = (held: readonly string[], { action }: { action: string }) => held.includes(action);

describe('of the operations of an organization', () => {
  it('a Viewer may every one that reads, and no other', () => {
    expect(operations.length).toBeGreaterThan(100);
    const wrong = operations.filter((operation) => may(PRESET_ACTIONS.viewer, operation) !== operation.reads);
    expect(wrong).toEqual([]);
  });

  it('an Operator may what reads, and an Approver changes nothing but decides', () => {
    expect(operations.filter((operation) => operation.reads && !may(PRESET_ACTIONS.operator, operation))).toEqual([]);
    const changes = operations.filter((operation) => !operation.reads && may(PRESET_ACTIONS.approver, operation));
    expect(new Set(changes.map(({ action }) => action))).toEqual(new Set(['updateApprovals']));
  });
});

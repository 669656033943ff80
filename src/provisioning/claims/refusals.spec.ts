import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { AppError } from '../../../libs/platform/index.js';
import { ClaimRefused, type ClaimRequest } from './claim.js';
import type { ClaimRow } from './claims.repository.js';
import { Refusals } from './refusals.js';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const request = { key: 'spk_a.b', address: '192.0.2.1', hardwareId: null, door: 'device' } as ClaimRequest;
const answer = new AppError('permission_denied', 'Permission denied');

/** Counts what is written; `meanwhile` runs while the first count is. */
function refusals(meanwhile: (refuse: () => void) => void) {
  const written = { rows: 0, beyond: 0 };
  const repository = {
    insert: async (_tx: unknown, rows: ClaimRow[]) => {
      if (written.beyond === 0 && rows[0]!.count !== undefined) meanwhile(refuse);
      for (const row of rows) if (row.count === undefined) written.rows++; else written.beyond += row.count;
      return rows.map((_, i) => i + 1);
    },
    addToCount: async (_em: unknown, _id: number, count: number) => void (written.beyond += count),
  };
  const db = { manager: {}, tx: (fn: (tx: unknown) => Promise<unknown>) => fn({}) };
  const limiter = { refused: () => undefined };
  const subject = new Refusals({ claimRefusalFloorMs: 0 } as never, db as never, repository as never, { recordMany: async () => undefined } as never, limiter as never);
  const refuse = () => void subject.refuse(new ClaimRefused('expired', { keyId: 'a', orgId: 'o' }), request, 0, answer).catch(() => undefined);
  return { refuse, written };
}

it('counts those beyond 100 a minute that came while the others were written, though nobody comes after them', async () => {
  const { refuse, written } = refusals((again) => {
    for (let i = 0; i < 50; i++) again();
  });
  for (let i = 0; i < 110; i++) refuse();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(written).toEqual({ rows: 100, beyond: 60 });
});

it('rests when all is written', async () => {
  const { refuse } = refusals(() => undefined);
  refuse();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(vi.getTimerCount()).toBe(0);
});

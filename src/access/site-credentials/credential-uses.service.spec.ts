import { afterEach, describe, expect, it, vi } from 'vitest';
import type { SiteIdentity } from './credential-standing.js';
import { CredentialUses } from './credential-uses.service.js';

const CREDENTIAL = { siteId: 1, orgId: 'acme', credentialId: 7, kind: 'api_key' } as SiteIdentity;
const MINUTE = 60_000;

/** What all servers write to. */
class Row {
  address: string | null = null;
  written = 0;

  async used(_: unknown, uses: { address: string | null }[]): Promise<void> {
    for (const { address } of uses) {
      this.written++;
      this.address = address;
    }
  }
}

const server = (row: Row) =>
  new CredentialUses({ manager: {} } as never, row as never, {} as never, {} as never, {} as never);

let later = 0;
const { now } = performance;
/** Time goes on, for what counts it by `performance.now()`. */
const pass = (ms: number) => {
  later += ms;
  vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + later);
};
afterEach(() => vi.restoreAllMocks());

describe('the address that a credential is used from', () => {
  it('is that of its last use, whichever of two servers saw the one before', async () => {
    const row = new Row();
    const [a, b] = [server(row), server(row)];
    const isWritten = (address: string) => expect.poll(() => row.address, { timeout: 10_000 }).toBe(address);
    a.note(CREDENTIAL, '198.51.100.7');
    await isWritten('198.51.100.7');
    pass(3 * MINUTE);
    b.note(CREDENTIAL, '203.0.113.9');
    await isWritten('203.0.113.9');
    pass(3 * MINUTE);
    a.note(CREDENTIAL, '198.51.100.7');
    await isWritten('198.51.100.7');
  });

  it('is looked at once for the uses of a moment', async () => {
    const row = new Row();
    const uses = server(row);
    for (let i = 0; i < 50; i++) uses.note(CREDENTIAL, '198.51.100.7');
    uses.note(CREDENTIAL, '203.0.113.9');
    await expect.poll(() => row.address, { timeout: 10_000 }).toBe('203.0.113.9');
    expect(row.written).toBe(2);
  });
});

import { describe, expect, it } from 'vitest';
import { claimIdentity } from './claim.js';

const stored = { claim: { hardwareId: 'hw-1', nonce: 'nonce-1' } };

describe('the identity of a claim', () => {
  it('is a random UUID and nonce at first, and what is stored from then on', () => {
    const first = claimIdentity('', {});
    expect(first.hardwareId).toMatch(/^[0-9a-f-]{36}$/);
    expect(Buffer.from(first.nonce, 'base64url')).toHaveLength(32);
    expect(claimIdentity('', {})).not.toEqual(first);
    expect(claimIdentity('', stored)).toEqual(stored.claim);
  });

  it('keeps the nonce for the hardware id it was made for, and only for that', () => {
    expect(claimIdentity('hw-1', stored)).toEqual(stored.claim);
    const other = claimIdentity('hw-2', stored);
    expect(other.hardwareId).toBe('hw-2');
    expect(other.nonce).not.toBe('nonce-1');
  });

  it('asks the machine when told so', () => {
    expect(claimIdentity('machine', {}, () => 'board-7').hardwareId).toBe('board-7');
  });

  it('takes half an identity for none', () => {
    expect(claimIdentity('', { claim: { hardwareId: 'hw-1' } }).hardwareId).not.toBe('hw-1');
  });
});

// The rules are those of docs/claims.md.
import { describe, expect, it } from 'vitest';
import { sha256 } from '#platform';
import type { LookedUpSite } from './claims.repository.js';
import { planReclaim } from './reclaim-policy.js';

const nonce = sha256('mine');
const other = sha256('somebody else');
const site: LookedUpSite = {
  siteId: 1,
  orgId: 'o',
  deviceId: 'd',
  hardwareId: 'h',
  nonceHash: nonce,
  keyId: 'key',
  claimId: 1,
  revoked: false,
  windowOpen: true,
  authenticated: false,
  armed: false,
  newtId: null,
  credentialKind: 'api_key',
  ephemeralSeconds: null,
  profileId: null,
  receivesSecrets: false,
};
const key = {
  keyId: 'key',
  profileId: null,
  mayDeliver: true,
  reclaimPolicy: 'recognise' as const,
  expired: false,
  maxUses: 5,
  uses: 1,
};
const spent = { ...key, uses: 5 };
const expired = { ...key, expired: true };
const foreign = { ...key, keyId: 'another' };

describe('a re-claim', () => {
  it('rule 4: is recognised, with the same nonce after its window closed, or without any', () => {
    expect(planReclaim({ ...site, windowOpen: false }, { nonceHash: nonce }, key)).toEqual({
      do: 'recognise',
      contested: false,
    });
    expect(planReclaim(site, { nonceHash: null }, key)).toEqual({ do: 'recognise', contested: false });
  });

  it('rule 5: gets a fresh credential by the same nonce, on a used-up or expired key too', () => {
    for (const k of [key, spent, expired, foreign])
      expect(planReclaim(site, { nonceHash: nonce }, k)).toEqual({ do: 'reissue' });
  });

  it('rule 5: never once an operator revoked the site', () => {
    expect(
      planReclaim({ ...site, revoked: true }, { nonceHash: nonce }, { ...key, reclaimPolicy: 'reissue' }),
    ).toMatchObject({ do: 'refuse', reason: 'site_revoked' });
    expect(planReclaim({ ...site, revoked: true, armed: true }, { nonceHash: nonce }, key)).toEqual({ do: 'handOver' });
    expect(planReclaim({ ...site, revoked: true, armed: true }, { nonceHash: nonce }, expired)).toMatchObject({
      do: 'refuse',
      reason: 'site_revoked',
    });
  });

  it('rule 6: a used-up key recognises its own and nobody else; an expired key refuses', () => {
    const claimed = { ...site, windowOpen: false };
    expect(planReclaim(claimed, { nonceHash: null }, spent)).toEqual({ do: 'recognise', contested: false });
    expect(planReclaim(claimed, { nonceHash: null }, { ...spent, keyId: 'another' })).toMatchObject({
      do: 'refuse',
      reason: 'used_up',
    });
    expect(planReclaim(claimed, { nonceHash: null }, expired)).toMatchObject({ do: 'refuse', reason: 'expired' });
  });

  it('rule 13: policy reissue hands the site over while the key lives', () => {
    expect(planReclaim(site, { nonceHash: other }, { ...key, reclaimPolicy: 'reissue' })).toEqual({ do: 'handOver' });
    expect(planReclaim(site, { nonceHash: null }, { ...spent, reclaimPolicy: 'reissue' })).toMatchObject({
      do: 'recognise',
    });
    expect(planReclaim(site, { nonceHash: null }, { ...expired, reclaimPolicy: 'reissue' })).toMatchObject({
      do: 'refuse',
      reason: 'expired',
    });
  });

  it('rule 13: policy reissue hands over what receives secrets under the same profile only', () => {
    const receiving = { ...site, profileId: 1, receivesSecrets: true };
    const by = (profileId: number | null) =>
      planReclaim(receiving, { nonceHash: null }, { ...key, reclaimPolicy: 'reissue', profileId });
    expect(by(1)).toEqual({ do: 'handOver' });
    for (const other of [2, null]) expect(by(other)).toEqual({ do: 'recognise', contested: false });
  });

  it('rule 13: policy reissue hands over what receives secrets by keys only that would approve it; an operator may arm it for any', () => {
    const receiving = { ...site, profileId: 1, receivesSecrets: true };
    const held = { ...key, profileId: 1, mayDeliver: false, reclaimPolicy: 'reissue' as const };
    expect(planReclaim(receiving, { nonceHash: null }, held)).toEqual({ do: 'recognise', contested: false });
    expect(planReclaim({ ...receiving, armed: true }, { nonceHash: null }, held)).toEqual({ do: 'handOver' });
    expect(planReclaim({ ...receiving, receivesSecrets: false }, { nonceHash: null }, held)).toEqual({
      do: 'handOver',
    });
    // Who shows the nonce is the device itself.
    expect(planReclaim(receiving, { nonceHash: nonce }, held)).toEqual({ do: 'reissue' });
  });

  it('rule 13: policy refuse refuses, unless an operator armed the site', () => {
    const refusing = { ...key, reclaimPolicy: 'refuse' as const };
    expect(planReclaim(site, { nonceHash: null }, refusing)).toMatchObject({ do: 'refuse', reason: 'reclaim_refused' });
    expect(planReclaim({ ...site, armed: true }, { nonceHash: null }, refusing)).toEqual({ do: 'handOver' });
  });

  it('rule 13: an armed site is handed over to any valid key of the organization', () => {
    expect(planReclaim({ ...site, armed: true }, { nonceHash: other }, foreign)).toEqual({ do: 'handOver' });
    expect(planReclaim({ ...site, armed: true }, { nonceHash: other }, { ...foreign, uses: 5 })).toMatchObject({
      do: 'refuse',
    });
    expect(planReclaim({ ...site, armed: true }, { nonceHash: other }, expired)).toMatchObject({ do: 'refuse' });
  });

  it('rule 13: another nonce on a site that never authenticated is contested', () => {
    expect(planReclaim(site, { nonceHash: other }, key)).toEqual({ do: 'recognise', contested: true });
    expect(planReclaim({ ...site, authenticated: true }, { nonceHash: other }, key)).toEqual({
      do: 'recognise',
      contested: false,
    });
    expect(planReclaim(site, { nonceHash: null }, key)).toMatchObject({ contested: false });
  });
});

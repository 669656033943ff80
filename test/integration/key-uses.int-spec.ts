import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ApiKeyView } from '../../src/access/api-keys/api-keys.dto.js';
import { ApiKeysRepository } from '../../src/access/api-keys/api-keys.repository.js';
import { ApiKeysService } from '../../src/access/index.js';
import { adminId, one, orgKey, setUpAccess, sql, two } from '../support/access.js';
import { Api, newHardwareId, provision } from '../support/api.js';
import { logIn } from '../support/app.js';
import { until } from '../support/server.js';

setUpAccess();
afterEach(() => vi.restoreAllMocks());

const HOUR_MS = 3_600_000;
const at = (ms: number) => new Date(Date.now() + ms).toISOString();
const view = (id: string) => one.root.expect<ApiKeyView>('GET', `/org/acme/api-key/${id}`);

describe('an API key', () => {
  it('knows who made it, as they were called then', async () => {
    const session = await logIn(one.url, 'admin@example.com', 'correct horse');
    const { apiKeyId } = await session.expect<{ apiKeyId: string }>('PUT', '/org/acme/api-key', { name: 'By hand' });
    await sql(`UPDATE "user" SET email = 'renamed@example.com' WHERE user_id = $1`, [adminId]);
    expect((await view(apiKeyId)).createdBy).toEqual({ kind: 'user', id: adminId, name: 'admin@example.com' });
    await sql(`UPDATE "user" SET email = 'admin@example.com' WHERE user_id = $1`, [adminId]);
    expect((await view((await orgKey('acme')).id)).createdBy).toMatchObject({ kind: 'root_key', name: 'test' });
  });

  it('tells when and whence it was last used, once a minute for each server, and never for a wrong secret', async () => {
    const key = await orgKey('acme', ['getOrg']);
    expect(await view(key.id)).toMatchObject({ lastUsedAt: null, lastUsedFrom: null });
    await new Api(one.url, `${key.id}.wrong`).get('/v1/org/acme');
    const writes = vi.spyOn(one.app.get(ApiKeysRepository), 'used');
    const api = new Api(one.url, key.token);
    for (let i = 0; i < 5; i++) expect((await api.get('/v1/org/acme')).status).toBe(200);
    const first = await until(async () => (await view(key.id)).lastUsedAt);
    expect((await view(key.id)).lastUsedFrom).toBe('127.0.0.1');
    expect(writes.mock.calls.flatMap(([, uses]) => uses).filter((use) => use.id === key.id)).toHaveLength(1);
    // Another server notes its own, and an earlier use that is written late changes nothing.
    expect((await new Api(two.url, key.token).get('/v1/org/acme')).status).toBe(200);
    const second = await until(async () => {
      const { lastUsedAt } = await view(key.id);
      return lastUsedAt !== first && lastUsedAt;
    });
    expect(second > first).toBe(true);
    await one.app.get(ApiKeysRepository).used(one.db.manager, [
      { id: key.id, address: '192.0.2.9', at: new Date(first) },
      { id: 'gone', address: null, at: new Date() },
    ]);
    expect(await view(key.id)).toMatchObject({ lastUsedAt: second, lastUsedFrom: '127.0.0.1' });
  });

  it('is refused from its end on, also where it is remembered, by a sentence that only its holder reads', async () => {
    const expiresAt = at(HOUR_MS);
    const made = await one.root.expect<{ apiKeyId: string; apiKey: string; expiresAt: string }>(
      'PUT',
      '/org/acme/api-key',
      { name: 'For a while', expiresAt },
    );
    expect(made.expiresAt).toBe(expiresAt);
    expect(await view(made.apiKeyId)).toMatchObject({ expiresAt });
    const holder = new Api(one.url, `${made.apiKeyId}.${made.apiKey}`);
    expect((await holder.get('/v1/org/acme')).status).toBe(403);
    const keys = one.app.get(ApiKeysService);
    expect(await keys.principalOfKey(one.db.manager, made.apiKeyId)).toMatchObject({ id: made.apiKeyId });
    vi.spyOn(Date, 'now').mockReturnValue(new Date(expiresAt).getTime());
    expect((await holder.get('/v1/org/acme')).body).toMatchObject({ status: 401, message: 'The API key has expired' });
    expect((await new Api(one.url, `${made.apiKeyId}.wrong`).get('/v1/org/acme')).body).toMatchObject({
      status: 401,
      message: 'Invalid API key',
    });
    // Work that it started does not go on either.
    expect(await keys.principalOfKey(one.db.manager, made.apiKeyId)).toBeNull();
  });

  it('has no end in the past, and none where none is said', async () => {
    const create = (body: object) => one.root.put('/org/acme/api-key', { name: 'x', ...body });
    expect((await create({ expiresAt: at(-1000) })).body).toMatchObject({
      status: 400,
      fields: [{ path: 'expiresAt', problem: 'lies in the past' }],
    });
    expect((await create({ expiresAt: 'soon' })).status).toBe(400);
    expect((await create({ expiresAt: null })).body).toMatchObject({ data: { expiresAt: null } });
  });
});

describe('a provisioning key', () => {
  it('knows who made it, when and whence it was last used, and when it ends, under the names of API keys', async () => {
    const session = await logIn(one.url, 'admin@example.com', 'correct horse');
    const validUntil = at(HOUR_MS);
    const key = await session.expect<{ siteProvisioningKeyId: string; siteProvisioningKey: string }>(
      'PUT',
      '/org/acme/site-provisioning-key',
      { name: 'Line 4', maxBatchSize: 5, validUntil },
    );
    const path = `/org/acme/site-provisioning-key/${key.siteProvisioningKeyId}`;
    expect(await one.root.expect('GET', path)).toMatchObject({
      createdBy: { kind: 'user', id: adminId, name: 'admin@example.com' },
      lastUsedAt: null,
      lastUsedFrom: null,
      expiresAt: validUntil,
    });
    const claim = await provision(one.url, {
      provision_key: key.siteProvisioningKey,
      hardware_id: newHardwareId(),
    });
    expect(claim.status).toBe(201);
    const used = await one.root.expect<{ lastUsed: string; lastUsedAt: string }>('GET', path);
    expect(used).toMatchObject({ lastUsedAt: used.lastUsed, lastUsedFrom: '127.0.0.1' });
    expect(used.lastUsedAt).not.toBeNull();
  });
});

import 'reflect-metadata';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { Workers } from '#platform';
import { TestOrg } from '../support/api.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());

it('a dry run compares large documents in a thread', async () => {
  const org = await TestOrg.create(app.root);
  const profile = await app.root.expect<{ profileId: number }>('PUT', org.path('provisioning-profile'), { name: 'p' });
  const path = org.path(`provisioning-profile/${profile.profileId}/bootstrap`);
  const large = (value: string) =>
    `config:\n${Array.from({ length: 1500 }, (_, i) => `  k${i}: ${value}`).join('\n')}\n`;
  await app.root.expect('PUT', path, { document: large('a') });
  const tasks = vi.spyOn(app.get(Workers), 'run');
  const { diff } = await app.root.expect<{ diff: string }>('PUT', `${path}?dryRun=true`, { document: large('b') });
  expect(diff.split('\n').filter((line) => line.startsWith('+  k'))).toHaveLength(1500);
  expect(tasks.mock.calls.map(([, name]) => name)).toContain('unifiedDiff');
  tasks.mockRestore();
});

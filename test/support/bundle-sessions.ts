import { deviceToken } from './api.js';
import type { BundleSite } from './bundles.js';
import { TestSession } from './session.js';
import type { TestApp } from './test-app.js';

/** Opens the session of a site's agent, which has said hello. */
export async function openSession(app: TestApp, { apiKey }: BundleSite): Promise<TestSession> {
  const { body } = await deviceToken(app.root.url, apiKey);
  const session = await TestSession.connect(`${app.root.url.replace('http', 'ws')}/api/v1/ws`, body.data.token);
  await session.hello();
  return session;
}

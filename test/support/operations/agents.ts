import { type Operation, read } from './operation.js';

export const AGENTS_OPERATIONS: Record<string, Operation> = {
  // health and downloads
  getHealth: read('anybody'),
  getReadiness: read('anybody'),
  getGreeting: read('anybody'),
  downloadAgent: read('anybody'),
  downloadAgentHash: read('anybody'),
  downloadAgentVersion: read('anybody'),
  downloadInstaller: read('anybody'),

  // agents
  getStats: read('key', () => ({ query: { metric: 'claims', bucket: 'hour' } })),
  getNewtToken: read('anybody', async (fixture) => {
    const { newtId, secret } = await fixture.newtSite();
    return { body: { newtId, secret } };
  }),
  getDeviceToken: read('anybody', (fixture) => ({ api: fixture.callers.device })),
  getNewtVersion: read('anybody'),
  getDeviceSelf: read('site'),
};

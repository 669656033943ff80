import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { MessageDispatch } from '../../src/agents/gateway/message-dispatch.js';
import { newHardwareId, newNonce, newtToken, register, TestOrg } from '../support/api.js';
import { TestSession } from '../support/session.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app?.close());

it('a session that sends thousands of messages at once has one of them handled in a turn of the event loop', async () => {
  const org = await TestOrg.create(app.root);
  const { siteProvisioningKey: provisioningKey } = await org.key();
  const { newtId, secret } = (
    await register(app.root.url, { provisioningKey, hardwareId: newHardwareId(), claimNonce: newNonce() })
  ).body.data;
  const { token } = (await newtToken(app.root.url, newtId, secret)).body.data;
  const session = await TestSession.connect(`${app.root.url.replace('http', 'ws')}/api/v1/ws`, token);
  await session.settled();

  let turn = 0;
  let over = false;
  const next = (): void => {
    turn++;
    if (!over) setImmediate(next);
  };
  const perTurn = new Map<number, number>();
  const handled = vi
    .spyOn(app.get(MessageDispatch), 'receive')
    .mockImplementation(() => void perTurn.set(turn, (perTurn.get(turn) ?? 0) + 1));
  setImmediate(next);
  try {
    const socket = (session.ws as unknown as { _socket: { cork(): void; uncork(): void } })._socket;
    socket.cork();
    for (let i = 0; i < 2000; i++) session.send('newt/ping', {});
    socket.uncork();
    await vi.waitUntil(() => handled.mock.calls.length === 2000, { timeout: 60_000 });
  } finally {
    over = true;
    handled.mockRestore();
    session.ws.terminate();
  }
  // Where in a turn the counter stands is not said, hence two.
  expect(Math.max(...perTurn.values())).toBeLessThanOrEqual(2);
});

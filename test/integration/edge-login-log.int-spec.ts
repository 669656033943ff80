// The log of logins (docs/edge-access.md): each way in, let in and refused, and who sends much.
import { beforeAll, describe, expect, it } from 'vitest';
import { AccessLog } from '../../src/edge/logs/access-log.js';
import type { AccessLogList, AccessLogView } from '../../src/edge/logs/logs.dto.js';
import { Visitor } from '../support/edge-door.js';
import {
  answerTo,
  askedOf,
  BASIC,
  codeShown,
  doors,
  grant,
  loggedIn,
  one,
  org,
  PASSWORD,
  PIN,
  person,
  type Resource,
  resource,
  setUpEdge,
  shown,
  sql,
  token,
  tokenHeaders,
  two,
} from '../support/edge-logins.js';
import { until } from '../support/server.js';

setUpEdge();
beforeAll(() => two.root.expect('POST', `/org/${org.orgId}`, { settingsLogRetentionDaysAccess: 7 }));

/** What is written of a resource, oldest first, once there are so many. */
async function rowsOf({ resourceId }: Resource, count: number): Promise<AccessLogView[]> {
  const path = org.path(`logs/access?resourceId=${resourceId}`);
  const read = async () => (await two.root.expect<AccessLogList>('GET', path)).log.toReversed();
  await until(async () => (await read()).length >= count);
  const rows = await read();
  expect(rows).toHaveLength(count);
  return rows;
}
const told = ({ type, action, actor }: AccessLogView) => [type, action, actor];
const from = (address: string) => new Visitor(address);
const submit = (of: Resource, page: string, form: Record<string, string>, visitor = new Visitor()) =>
  visitor.submit(doors[0], of.host, page, form, { 'user-agent': 'Test/1' });

describe('of each way in it has who was let in, and who was not', () => {
  it('password and PIN', async () => {
    const app = await resource(['password', 'pincode']);
    await submit(app, 'login/password', { secret: 'wrong' }, from('2001:db8::7'));
    await submit(app, 'login/password', { secret: PASSWORD }, from('2001:db8::7'));
    await shown(app, PIN);
    await submit(app, 'login/pincode', { secret: '000000' });
    const rows = await rowsOf(app, 4);
    expect(rows.map(told)).toEqual([
      ['password', false, null],
      ['password', true, null],
      ['pincode', true, null],
      ['pincode', false, null],
    ]);
    expect(rows[0]).toMatchObject({
      ip: '2001:db8::7',
      userAgent: 'Test/1',
      requestId: expect.stringMatching(/^r\d+$/),
    });
  });

  it('a mailed code', async () => {
    const app = await resource(['whitelist']);
    await submit(app, 'login/code', { code: '12345678', email: 'kim@example.com' });
    await codeShown(app);
    expect((await rowsOf(app, 2)).map(told)).toEqual([
      ['whitelist', false, null],
      ['whitelist', true, 'kim@example.com'],
    ]);
  });

  it('a login at the dashboard', async () => {
    const app = await resource(['sso']);
    const [stranger, member] = [await person(), await person()];
    await grant(app, member);
    expect((await answerTo(stranger, await askedOf(new Visitor(), app))).status).toBe(403);
    await new Visitor().open(doors[0], app.host, `/.gatehouse/callback?code=${'a'.repeat(43)}`);
    await loggedIn(member, app);
    const rows = await rowsOf(app, 3);
    expect(rows.map(told)).toEqual([
      ['sso', false, stranger.email],
      ['sso', false, null],
      ['sso', true, member.email],
    ]);
    expect(rows.map(({ actorId }) => actorId)).toEqual([stranger.userId, null, member.userId]);
    expect(rows[0]).toMatchObject({ ip: '127.0.0.1', requestId: expect.any(String) });
  });

  it('a share link', async () => {
    const app = await resource(['sso']);
    const { accessTokenId, accessToken } = await token(app);
    const visitor = new Visitor();
    await visitor.open(doors[0], app.host, `/?p_token=${accessTokenId}.${accessToken}`);
    // With its session.
    for (const door of doors) expect((await visitor.send(door, app.host)).status).toBe(200);
    await new Visitor().open(doors[0], app.host, `/?p_token=${accessTokenId}.another`);
    expect((await rowsOf(app, 2)).map(told)).toEqual([
      ['access_token', true, null],
      ['access_token', false, null],
    ]);
  });
});

it('has what comes with each request once by address', async () => {
  const app = await resource(['header']);
  const link = await token(app);
  const wrong = { authorization: `Basic ${Buffer.from('import:wrong').toString('base64')}` };
  const otherToken = tokenHeaders({ ...link, accessToken: 'another' });
  for (const headers of [{ authorization: BASIC }, wrong, tokenHeaders(link), otherToken])
    for (const address of ['192.0.2.1', '192.0.2.1', '192.0.2.2', '192.0.2.1'])
      await from(address).send(doors[0], app.host, '/', { headers });
  const rows = await rowsOf(app, 8);
  expect(rows.map(({ type, action, ip }) => [type, action, ip])).toEqual(
    [
      ['header_auth', true],
      ['header_auth', false],
      ['access_token', true],
      ['access_token', false],
    ].flatMap((row) => ['192.0.2.1', '192.0.2.2'].map((ip) => [...row, ip])),
  );
});

it('has no more than some of who guesses in a loop, counts the others, and has who is let in meanwhile', async () => {
  const app = await resource(['pincode']);
  const { droppedRows } = one.app.get(AccessLog);
  // As if there had been enough already: none of these is looked at.
  await sql(`INSERT INTO resource_guess VALUES ($1, 'from 192.0.2.9', 20, now() + interval '1 hour')`, [
    app.resourceId,
  ]);
  for (let i = 0; i < 25; i++) await submit(app, 'login/pincode', { secret: '000000' }, from('192.0.2.9'));
  await shown(app, PIN, from('192.0.2.10'));
  const rows = await rowsOf(app, 21);
  expect(rows.filter(({ action }) => action)).toMatchObject([{ ip: '192.0.2.10' }]);
  expect(one.app.get(AccessLog).droppedRows - droppedRows).toBe(5);
});

it('has no secret in it', async () => {
  const rows = JSON.stringify(await sql('SELECT l::text FROM access_log l'));
  expect(rows).toContain('whitelist');
  for (const secret of [PASSWORD, PIN, BASIC.slice(6), '12345678', 'another', '000000'])
    expect(rows).not.toContain(secret);
});

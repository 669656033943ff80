// The second story of `npm run demo`: web servers that start only with a valid key, get a new secret one after the other, and one that is revoked.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup.mjs';

const NAMES = ['web-1', 'web-2', 'web-3'];
const DOCUMENT = `env:
  API_TOKEN: "{{secret.API_TOKEN}}"
  INSTANCE: "{{site.name}}"
run:
  ready: { afterSeconds: 1 }
  stopGraceSeconds: 2
`;
/** Ends when its token is none. */
const WEB_SERVER = `import { createServer } from 'node:http';
const { API_TOKEN, INSTANCE, WEB_PORT } = process.env;
if (!API_TOKEN.startsWith('token-')) process.exit(1);
createServer((_, answer) => answer.end(JSON.stringify({ instance: INSTANCE, pid: process.pid, token: API_TOKEN }))).listen(Number(WEB_PORT), '127.0.0.1');
`;

/**
 * @param {object} stage
 * @param {string} stage.url of the server
 * @param {string} stage.folder
 * @param {() => Promise<void>} stage.stopServer
 * @param {(method: string, path: string, body?: object) => Promise<any>} stage.api
 * @param {(name: string, args: string[], env: Record<string, string>) => import('node:child_process').ChildProcess & { output: string[] }} stage.run
 * @param {<T>(what: string, condition: () => Promise<T>) => Promise<Exclude<T, false | null | undefined>>} stage.until
 * @param {() => Promise<number>} stage.freePort
 * @param {(sentence: string) => void} stage.say
 * @param {(sentence: string) => void} stage.tell
 */
export async function instances({ url, folder, stopServer, api, run, until, freePort, say, tell }) {
  const program = join(folder, 'web.mjs');
  writeFileSync(program, WEB_SERVER, { mode: 0o644 });
  const ports = new Map();
  for (const name of [...NAMES, 'web-4']) ports.set(name, await freePort());

  /** `gatehouse-agent run … -- node web.mjs` */
  const start = (name, key) => {
    const home = join(folder, name);
    const flags = ['--config-file', join(home, 'agent.json'), '--bundle-dir', join(home, 'bundle'), '--wait', '10'];
    const own = ['--endpoint', url, '--hardware-id', name, '--name', name];
    const args = [
      join(root, 'dist/agent/gatehouse-agent.mjs'),
      'run',
      ...flags,
      ...own,
      '--',
      process.execPath,
      program,
    ];
    return run(name, args, { WEB_PORT: String(ports.get(name)), ...(key ? { NEWT_PROVISIONING_KEY: key } : {}) });
  };
  /** What the web server says; undefined while nothing listens. */
  const ask = (name) =>
    fetch(`http://127.0.0.1:${ports.get(name)}`).then(
      (response) => /** @type {Promise<{ instance: string, pid: number, token: string }>} */ (response.json()),
      () => undefined,
    );
  const withToken = (name, token) =>
    until(`${name} runs with ${token}`, async () => {
      const answer = await ask(name);
      return answer?.token === token && answer;
    });

  say('A secret, a document that names it, and a key for three web servers');
  await api('PUT', '/org/default/secret', { name: 'API_TOKEN', value: 'token-1' });
  const { profileId } = await api('PUT', '/org/default/provisioning-profile', { name: 'web' });
  await api('PUT', `/org/default/provisioning-profile/${profileId}/bootstrap`, { document: DOCUMENT });
  const { templateId } = await api('PUT', '/org/default/provisioning-template', {
    name: 'web',
    profileId,
    hardwareIdPattern: 'web-[0-9]',
  });
  const key = await api('PUT', '/org/default/site-provisioning-key', {
    name: 'web servers',
    templateId,
    maxBatchSize: NAMES.length,
    validUntil: new Date(Date.now() + 3_600_000).toISOString(),
  });
  for (const line of DOCUMENT.trim().split('\n')) tell(`  ${line}`);

  say('gatehouse-agent run -- node web.mjs: three start, a fourth with a wrong key does not');
  const agents = new Map(NAMES.map((name) => [name, start(name, key.siteProvisioningKey)]));
  const before = new Map();
  for (const name of NAMES) before.set(name, await withToken(name, 'token-1'));
  for (const { instance, pid, token } of before.values()) tell(`${instance}: process ${pid}, ${token}`);
  const wrong = start('web-4', `${key.siteProvisioningKeyId}.${'x'.repeat(40)}`);
  const [refused] = await once(wrong, 'exit');
  if (refused !== 77 || (await ask('web-4')))
    throw new Error(`the fourth ended with ${refused}: ${wrong.output.join('')}`);
  tell(`web-4: its agent ended with exit code ${refused}; the program never ran.`);

  say('A new version of the secret: one first, then 30 a minute');
  await settled(api, until);
  await addVersion(api, 'token-2', { canary: 1, perMinute: 30 });
  const order = await inOrder(NAMES, (name) => withToken(name, 'token-2'));
  const [first] = order;
  for (const { name, at } of order)
    tell(
      `${name}: ${at === first?.at ? '' : `${((at - (first?.at ?? at)) / 1000).toFixed(1)} s later, `}restarted, token-2`,
    );
  await settled(api, until);
  const secret = await api('GET', '/org/default/secret/API_TOKEN');
  const old = secret.versions.find(({ version }) => version === 1);
  tell(`Version 1 is used by ${old.usedBySites} of ${secret.usedBySites} sites, and may be destroyed.`);

  say('A bad version comes back by itself');
  const pids = new Map();
  for (const name of NAMES) pids.set(name, (await withToken(name, 'token-2')).pid);
  await addVersion(api, 'no token', { canary: 1, perMinute: 30 });
  const stopped = await until('the rollout stops', async () => {
    const [rollout] = (await api('GET', '/org/default/rollouts')).rollouts;
    return rollout.status === 'paused' && rollout;
  });
  tell(`The rollout stopped: ${stopped.error.message}.`);
  for (const name of NAMES) {
    const { pid, token } = await withToken(name, 'token-2');
    tell(`${name}: ${token}, ${pid === pids.get(name) ? 'not touched' : 'started again with the version before'}`);
  }
  await api('POST', `/org/default/jobs/${stopped.jobId}/cancel`);

  say('One is revoked, then the cable is pulled');
  const { sites } = await api('GET', `/org/default/sites?profileId=${profileId}`);
  const lost = /** @type {import('node:child_process').ChildProcess & { output: string[] }} */ (agents.get('web-2'));
  const ending = once(lost, 'exit');
  await api('POST', `/site/${sites.find(({ name }) => name === 'web-2').siteId}/revoke`, { note: 'stolen' });
  const [revoked] = await ending;
  if (revoked !== 77 || (await ask('web-2'))) throw new Error(`web-2 ended with ${revoked}: ${lost.output.join('')}`);
  tell(`web-2: its process is gone, its agent ended with exit code ${revoked}.`);
  await stopServer();
  tell('The server is stopped.');
  const again = start('web-2');
  const [code] = await once(again, 'exit');
  if (code !== 77 || (await ask('web-2'))) throw new Error(`web-2 ended with ${code}: ${again.output.join('')}`);
  tell(`web-2, started again: exit code ${code}, without asking anybody.`);
  const other = /** @type {import('node:child_process').ChildProcess} */ (agents.get('web-3'));
  const ended = once(other, 'exit');
  other.kill('SIGTERM');
  await ended;
  start('web-3');
  const { token } = await withToken('web-3', 'token-2');
  tell(`web-3, started again: runs with ${token}, from what it keeps sealed.`);
}

const addVersion = (api, value, rollout) => api('POST', '/org/default/secret/API_TOKEN/version', { value, rollout });

/** Until no rollout is on its way. */
const settled = (api, until) =>
  until('the rollouts have ended', async () => {
    const { rollouts } = await api('GET', '/org/default/rollouts');
    return rollouts.every(({ finishedAt }) => finishedAt !== null);
  });

/** When each was done, the first one first. */
async function inOrder(names, done) {
  const all = await Promise.all(
    names.map(async (name) => {
      await done(name);
      return { name, at: Date.now() };
    }),
  );
  return all.sort((a, b) => a.at - b.at);
}

import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { digestOf, parse } from '#blueprint';
import { type AgentBlueprint } from '#contracts';
import {
  answer,
  document,
  folder,
  log,
  path,
  sent,
  server,
  setUpAgentBlueprints,
  start,
  welcomed,
  write,
} from '../support/agent-blueprints.js';
import { startAgentProgram } from '../support/agent-process.js';
import { KEY } from '../support/fake-server.js';

setUpAgentBlueprints();

describe('a blueprint file', () => {
  it('is sent after the welcome, filled in from the environment and in one form, and acknowledged once', async () => {
    const agent = start({ blueprintFile: write(document('{{env.PORT}}')) }, { env: { PORT: '5432' } });
    const session = await welcomed();
    const blueprint = await sent(session);
    const parsed = parse(document(5432));
    expect(blueprint).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      kind: 'file',
      digest: parsed.ok && digestOf(parsed.model),
      document: {
        'private-resources': { db: { name: 'DB', mode: 'host', destination: 'localhost', 'tcp-ports': '5432' } },
      },
    });
    answer(session, blueprint);
    await log(agent, /blueprint file: Blueprint applied/);
    session.socket.close(1012);
    (await agent.waitsFor('reconnect')).wake();
    const next = await welcomed(2);
    (await agent.waitsFor('heartbeat')).wake();
    await server.until(() => next.of('agent/heartbeat').length === 1);
    expect(next.of('agent/blueprint')).toEqual([]);
  });

  it('is sent again while nobody answers, with the same id, and after a reconnect', async () => {
    const agent = start({ blueprintFile: write(document(1)) });
    const session = await welcomed();
    const first = await sent(session);
    const waits: number[] = [];
    for (let n = 2; n <= 9; n++) {
      const wait = await agent.waitsFor('blueprint-answer');
      waits.push(wait.ms / 1000);
      wait.wake();
      expect(await sent(session, n)).toEqual(first);
    }
    expect(waits).toEqual([15, 25, 45, 85, 165, 305, 305, 305]);
    session.socket.terminate();
    (await agent.waitsFor('reconnect')).wake();
    const next = await welcomed(2);
    expect(await sent(next)).toEqual(first);
    answer(next, first);
    await log(agent, /blueprint file: Blueprint applied/);
  });

  it('that is refused is told with its problems, and sent again slowly', async () => {
    const agent = start({ blueprintFile: write(document(1)) });
    const session = await welcomed();
    answer(session, await sent(session), false, {
      problems: [{ path: 'private-resources.db', message: 'belongs to site 3' }],
    });
    const wait = await agent.waitsFor('blueprint-refused');
    expect(wait.ms).toBe(45_000);
    expect(agent.output).toContain('blueprint file refused: not possible; 2:3 private-resources.db: belongs to site 3');
    wait.wake();
    answer(session, await sent(session, 2), false);
    (await agent.waitsFor('blueprint-refused')).wake();
    answer(session, await sent(session, 3));
    await log(agent, /blueprint file: Blueprint applied/);
    expect(new Set(session.of('agent/blueprint').map((one) => (one as AgentBlueprint).id)).size).toBe(1);
  });

  it('that was refused while the site waited is sent at once when it is approved', async () => {
    const agent = start({
      blueprintFile: write(document(1)),
      provisioningBlueprintFile: write(document(2), 'first.yaml'),
    });
    const session = await server.session(1);
    session.welcome({ status: 'pending' });
    session.send('agent/state', { version: 1, status: 'pending' });
    answer(session, await sent(session, 1), false);
    answer(session, await sent(session, 2), false);
    await agent.waitsFor('blueprint-refused');
    session.send('agent/state', { version: 2, status: 'approved' });
    await sent(session, 4);
    expect(
      session
        .of('agent/blueprint')
        .slice(2)
        .map((one) => (one as AgentBlueprint).kind)
        .sort(),
    ).toEqual(['bootstrap', 'file']);
  });

  it('is followed: written in place, replaced by another, unchanged', async () => {
    const agent = start({ blueprintFile: write(document(1)) });
    const session = await welcomed();
    const first = await sent(session);
    answer(session, first);
    write(document(2));
    (await agent.waitsFor('file-debounce')).wake();
    const second = await sent(session, 2);
    expect(second.id).not.toBe(first.id);
    expect(JSON.stringify(second.document)).toContain('"tcp-ports":"2"');
    write(document(3), 'new');
    renameSync(path('new'), path());
    (await agent.waitsFor('file-debounce')).wake();
    const third = await sent(session, 3);
    write(`# a comment\n${document(3)}`);
    (await agent.waitsFor('file-debounce')).wake();
    await agent.waitsFor('file-poll');
    expect(session.of('agent/blueprint')).toHaveLength(3);
    // The answer to what was replaced meanwhile settles nothing.
    answer(session, second);
    answer(session, third);
    await log(agent, /Blueprint applied/);
  });

  it('that appears later, with its folder, is seen; one that goes away removes nothing', async () => {
    const file = join(folder, 'later', 'blueprint.yaml');
    const agent = start({ blueprintFile: file });
    const session = await welcomed();
    await log(agent, /there is no such file/);
    mkdirSync(join(folder, 'later'));
    writeFileSync(file, document(7));
    (await agent.waitsFor('file-poll')).wake();
    answer(session, await sent(session));
    rmSync(file);
    (await agent.waitsFor('file-debounce')).wake();
    await expect.poll(() => agent.output.match(/there is no such file/g)?.length).toBe(2);
    writeFileSync(file, document(8));
    (await agent.waitsFor('file-debounce')).wake();
    expect(JSON.stringify((await sent(session, 2)).document)).toContain('"8"');
  });

  it.each([
    [
      'a typo',
      document(1).replace('destination', 'destinaton'),
      /blueprint\.yaml:5:5 private-resources\.db\.destinaton: is not known here; did you mean "destination"\?/,
    ],
    [
      'a variable that is not set',
      document('{{env.NOWHERE}}'),
      /blueprint\.yaml:6:17 .*the environment variable NOWHERE/,
    ],
    ['no YAML', 'a: [', /blueprint\.yaml:1:\d+ not valid YAML/],
    ['nothing in it', '', /the document is empty/],
    ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x00]), /it is not UTF-8/],
  ])('with %s is told with its place and ends nothing', async (_what, text, expected) => {
    writeFileSync(path(), text);
    const agent = start({ blueprintFile: path() });
    const session = await welcomed();
    await log(agent, expected);
    write(document(1));
    (await agent.waitsFor('file-debounce')).wake();
    answer(session, await sent(session));
    await log(agent, /Blueprint applied/);
    expect(await agent.agent.stop()).toMatchObject({ code: 0 });
  });
});

describe('a provisioning blueprint', () => {
  const CLI = () => ({ provisioningBlueprintFile: write(document(1)) });

  it('is sent until it is acknowledged, and never after that', async () => {
    const first = start(CLI());
    expect(await sent(await welcomed())).toMatchObject({ kind: 'bootstrap' });
    await first.agent.stop(); // as good as a crash: nothing was acknowledged
    const second = start(CLI(), { folder: first.folder });
    const session = await welcomed(2);
    const blueprint = await sent(session);
    answer(session, blueprint);
    await expect
      .poll(() => second.file()['provisioningBlueprint'])
      .toEqual({ site: server.sites[0]?.newtId, digest: blueprint.digest, appliedAt: expect.any(String) });
    write(document(2));
    (await second.waitsFor('file-debounce')).wake();
    await log(
      second,
      /the provisioning blueprint .* is not what this site has had; it is applied only once, so the change is ignored/,
    );
    expect(session.of('agent/blueprint')).toHaveLength(1);
    await second.agent.stop();
    const third = start({ ...CLI(), logLevel: 'DEBUG' }, { folder: first.folder });
    const quiet = await welcomed(3);
    (await third.waitsFor('heartbeat')).wake();
    await server.until(() => quiet.of('agent/heartbeat').length === 1);
    expect(quiet.of('agent/blueprint')).toEqual([]);
    expect(third.output).toContain('has had its provisioning blueprint');
    expect(third.output).not.toContain('is ignored');
    await third.agent.stop();
    write(document(3));
    await log(
      start({ provisioningBlueprintFile: path() }, { folder: first.folder }),
      /it is applied only once, so the change is ignored/,
    );
  });

  it('that was refused has not been applied', async () => {
    const agent = start(CLI());
    const session = await welcomed();
    answer(session, await sent(session), false);
    await agent.waitsFor('blueprint-refused');
    expect(agent.file()).not.toHaveProperty('provisioningBlueprint');
  });

  it('of another site does not count', async () => {
    server.sites.push({ newtId: 'n2', secrets: ['s2'] });
    start(CLI(), {
      file: { id: 'n2', secret: 's2', provisioningBlueprint: { site: 'n1', digest: 'x', appliedAt: 'then' } },
    });
    expect(await sent(await welcomed())).toMatchObject({ kind: 'bootstrap' });
  });

  it('and a blueprint file are two', async () => {
    start({ ...CLI(), blueprintFile: write(document(2), 'other.yaml') });
    const session = await welcomed();
    await sent(session, 2);
    expect(
      session
        .of('agent/blueprint')
        .map((one) => (one as AgentBlueprint).kind)
        .sort(),
    ).toEqual(['bootstrap', 'file']);
  });
});

describe('the program', () => {
  it('checks a blueprint offline, with the places of its problems', async () => {
    const good = await startAgentProgram(['blueprint', 'check', write(document('{{env.PORT}}'))], {
      env: { PORT: '22' },
    }).ended;
    expect(good).toMatchObject({
      code: 0,
      stdout: `${path()}: 0 public resources, 1 private resource, 0 sites: nothing wrong\n`,
      stderr: '',
    });
    const bad = await startAgentProgram(['blueprint', 'check', path()]).ended;
    expect(bad).toMatchObject({
      code: 65,
      stdout: `${path()}:6:17 private-resources.db.tcp-ports: the environment variable PORT, needed by {{env.PORT}}, is not set\n`,
    });
    expect(await startAgentProgram(['blueprint', 'check', path('nowhere')]).ended).toMatchObject({ code: 66 });
    expect(await startAgentProgram(['blueprint', 'check', '-'], { stdin: 'sites: {' }).ended).toMatchObject({
      code: 65,
    });
    expect(await startAgentProgram(['blueprint', 'check']).ended).toMatchObject({ code: 64 });
  });

  it('checks patterns of paths as RE2', async () => {
    const target = '{hostname: h, port: 80, method: http, path: "^/(a", path-match: regex}';
    const resource = `{name: a, protocol: http, full-domain: a.example.com, targets: [${target}]}`;
    const bad = await startAgentProgram(['blueprint', 'check', write(`public-resources:\n  a: ${resource}\n`)]).ended;
    expect(bad).toMatchObject({ code: 65, stdout: expect.stringContaining('does not compile as an RE2 pattern') });
  });

  it('checks what is no text, too long, or comes through a pipe', async () => {
    const check = async (file: string, stdin?: string) =>
      startAgentProgram(['blueprint', 'check', file], { ...(stdin === undefined ? {} : { stdin }) }).ended;
    writeFileSync(path(), Buffer.concat([Buffer.from('sites:\n  a: {name: "x'), Buffer.from([0xc3, 0x28])]));
    expect(await check(path())).toMatchObject({ code: 65, stdout: `${path()}:2:15 it is not UTF-8\n` });
    writeFileSync(path(), Buffer.from('\uFEFFsites: {}', 'utf16le'));
    expect(await check(path())).toMatchObject({
      code: 65,
      stdout: `${path()}:1:1 it is not UTF-8 but UTF-16: save it as UTF-8\n`,
    });
    write(`# ${'x'.repeat(600_000)}`);
    expect(await check(path())).toMatchObject({
      code: 65,
      stdout: `${path()}:1:1 the document has 600002 bytes; at most 262144 are read\n`,
    });
    expect(await check('-', `# ${'x'.repeat(600_000)}`)).toMatchObject({
      code: 65,
      stdout: '-:1:1 the document has 600002 bytes; at most 262144 are read\n',
    });
    expect(await check('/dev/stdin', document(1))).toMatchObject({ code: 0 });
    expect(await check(folder)).toMatchObject({ code: 66 });
    execFileSync('mkfifo', [path('pipe')]);
    const piped = check(path('pipe'));
    await appendFile(path('pipe'), document(1));
    expect(await piped).toMatchObject({ code: 0 });
  });

  it('shows with its status what became of the blueprints', async () => {
    const status = async () =>
      (
        JSON.parse(
          (await startAgentProgram(['status', '--json', '--config-file', path('config.json')]).ended).stdout,
        ) as { blueprints: unknown }
      ).blueprints;
    const args = [
      '--config-file',
      path('config.json'),
      '--endpoint',
      server.url,
      '--provisioning-key',
      KEY,
      '--provisioning-blueprint-file',
      write('nonsense: 1', 'first.yaml'),
    ];
    const program = startAgentProgram(args, { env: { BLUEPRINT_FILE: write(document(1)) } });
    const session = await welcomed();
    const at = expect.stringMatching(/^\d{4}-.*Z$/);
    const wrong = { outcome: 'not sent', at, problem: expect.stringMatching(/^1:1 nonsense: is not known here/) };
    answer(session, await sent(session), false, {
      problems: [
        { path: 'private-resources.db', message: 'belongs to site 3' },
        { path: '', message: 'and more' },
      ],
    });
    await expect.poll(status).toEqual({
      file: { outcome: 'refused', at, problem: '2:3 private-resources.db: belongs to site 3' },
      bootstrap: wrong,
      labels: null,
    });
    write(document(2));
    answer(session, await sent(session, 2));
    await expect
      .poll(status)
      .toEqual({ file: { outcome: 'applied', at, problem: null }, bootstrap: wrong, labels: null });
    expect((await startAgentProgram(['status', '--config-file', path('config.json')]).ended).stdout).toMatch(
      /^blueprint +applied at \d{4}-\S+Z\nprovisioning +not sent at \S+Z: 1:1 nonsense/m,
    );
    program.child.kill('SIGTERM');
    expect(await program.ended).toMatchObject({ code: 0 });
  });

  it('follows a file and ends with 0 when it is stopped', async () => {
    const program = startAgentProgram(
      ['--config-file', path('config.json'), '--endpoint', server.url, '--provisioning-key', KEY],
      { env: { BLUEPRINT_FILE: write(document(1)) } },
    );
    const session = await welcomed();
    answer(session, await sent(session));
    write(document(2));
    await sent(session, 2);
    program.child.kill('SIGTERM');
    expect(await program.ended).toMatchObject({ code: 0 });
  });
});

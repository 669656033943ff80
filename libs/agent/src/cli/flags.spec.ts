import { describe, expect, it } from 'vitest';
import { AgentExit } from './exit-codes.js';
import { parseFlags } from './flags.js';

function cliOf(...argv: string[]): Record<string, unknown> {
  const invocation = parseFlags(argv);
  if (!('cli' in invocation)) throw new Error(invocation.command);
  return Object.fromEntries(invocation.cli);
}

function exitOf(...argv: string[]): AgentExit {
  try {
    parseFlags(argv);
  } catch (error) {
    if (error instanceof AgentExit) return error;
    throw error;
  }
  throw new Error('accepted');
}

describe('flags in the syntax of Go', () => {
  it.each([
    [['-endpoint', 'http://a']],
    [['--endpoint', 'http://a']],
    [['-endpoint=http://a']],
    [['--endpoint=http://a']],
  ])('%j sets the endpoint', (argv) => {
    expect(cliOf(...argv)).toEqual({ endpoint: 'http://a' });
  });

  it('keeps what follows the first = and takes a value that starts with a dash', () => {
    expect(cliOf('--name=a=b', '--secret', '-x')).toEqual({ name: 'a=b', secret: '-x' });
  });

  it.each([
    [['--no-wait'], true],
    [['-no-wait=true'], true],
    [['--no-wait=1'], true],
    [['--no-wait=false'], false],
    [['--no-wait=F'], false],
  ])('%j is the boolean %s', (argv, value) => {
    expect(cliOf(...argv)).toEqual({ noWait: value });
  });

  it('refuses a boolean with its value as a word of its own, which newt would silently stop reading at', () => {
    expect(exitOf('--no-wait', 'false', '--endpoint', 'http://a').message).toContain("unexpected argument 'false'");
  });

  it('collects a flag that may be repeated, and counts an explicit empty value', () => {
    expect(cliOf('--tls-client-ca', 'a.pem', '--tls-client-ca=b.pem', '--id=')).toEqual({
      tlsClientCa: ['a.pem', 'b.pem'],
      id: '',
    });
  });

  it('accepts what only WireGuard needs', () => {
    expect(cliOf('--mtu', '1280', '--no-cloud', '-disable-clients', '--native=false')).toEqual({
      mtu: '1280',
      noCloud: true,
      disableClients: true,
      native: false,
    });
  });

  it.each([
    [['--bogus']],
    [['-Endpoint', 'x']],
    [['--no-wait=maybe']],
    [['--endpoint']],
    [['stauts']],
    [['status', 'now']],
  ])('%j is a usage error', (argv) => {
    expect(exitOf(...argv).code).toBe(64);
  });

  it('does not repeat the value behind a mistyped flag: it may be the key', () => {
    expect(exitOf('--provisoning-key', 'hunter22').message).not.toContain('hunter22');
    expect(exitOf('--provisoning-key=hunter22').message).not.toContain('hunter22');
  });

  it('reads the command before or after the flags', () => {
    expect(parseFlags(['status', '--config-file', 'c.json', '--json'])).toMatchObject({
      command: 'status',
      configFile: 'c.json',
      json: true,
    });
    expect(parseFlags(['-config-file=c.json', 'status'])).toMatchObject({
      command: 'status',
      configFile: 'c.json',
      json: false,
    });
    expect(parseFlags(['--show-config'])).toMatchObject({ command: 'show-config' });
    expect(parseFlags([])).toMatchObject({ command: 'agent' });
  });

  it('reads blueprint check', () => {
    expect(parseFlags(['blueprint', 'check', 'b.yaml'])).toEqual({ command: 'blueprint-check', file: 'b.yaml' });
    for (const words of [
      ['blueprint'],
      ['blueprint', 'check'],
      ['blueprint', 'apply', 'x'],
      ['blueprint', 'check', 'a', 'b'],
    ])
      expect(exitOf(...words).code).toBe(64);
  });

  it('prints version and help', () => {
    expect(parseFlags(['-version'])).toMatchObject({
      command: 'print',
      text: expect.stringMatching(/^gatehouse-agent /),
    });
    expect(parseFlags(['-h'])).toMatchObject({
      command: 'print',
      text: expect.stringContaining('--provisioning-key-file'),
    });
  });
});

describe('the commands of an instance', () => {
  it('run takes what stands behind -- as another program, flags and all', () => {
    expect(parseFlags(['run', '--no-wait', '--', 'node', '--version', '--', '-x=1'])).toMatchObject({
      command: 'run',
      words: ['node', '--version', '--', '-x=1'],
      cli: new Map([['noWait', true]]),
    });
    expect(parseFlags(['--env-allow', 'A*', '--env-allow=B', 'run', '--', 'x'])).toMatchObject({
      command: 'run',
      cli: new Map([['envAllow', ['A*', 'B']]]),
    });
  });

  it.each([['run'], ['run', '--'], ['run', 'node'], ['run', 'node', '--', 'x']])(
    '%j is no way to write it',
    (...argv) => {
      expect(exitOf(...argv)).toMatchObject({ code: 64, message: expect.stringContaining('-- COMMAND') });
    },
  );

  it('bundle pull says where to, bundle status nothing', () => {
    expect(parseFlags(['bundle', 'pull', '--out', '/d', '--env-out', '/e'])).toMatchObject({
      command: 'bundle-pull',
      out: '/d',
      envFile: '/e',
    });
    expect(parseFlags(['bundle', 'status', '--json'])).toMatchObject({ command: 'bundle-status', json: true });
    for (const wrong of [['bundle'], ['bundle', 'pull'], ['bundle', 'x'], ['bundle', 'status', 'x'], ['--out', '/d']])
      expect(exitOf(...wrong).code).toBe(64);
    for (const wrong of [['bundle'], ['bundle', 'x'], ['bundle', 'pull', '--out', '/d', '--', 'x']])
      expect(exitOf(...wrong).message).toContain('write: gatehouse-agent bundle pull');
    expect(exitOf('bundle', 'pull', '--out', '/d', '--env-file', '/e').message).toContain('is --env-out');
  });

  it('no other command takes words behind --', () => {
    expect(exitOf('status', '--', 'x').code).toBe(64);
    expect(exitOf('--', 'x').code).toBe(64);
  });
});

import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Config, loadConfig, parseConfig } from './config.js';
import { readEnvironment } from './environment.mjs';
import { renderEnvExample } from './variables.mjs';

const key = Buffer.alloc(32, 7).toString('base64');
const parse = (env: Record<string, string>): Config => parseConfig(env, '/srv/gatehouse');

describe('parseConfig', () => {
  it('fills in the documented defaults', () => {
    const config = parse({});
    expect(config).toMatchObject({
      http: { port: 3000, host: '127.0.0.1', trustProxy: [] },
      orgs: { subnet: '100.90.128.0/17' },
      installation: { dataDir: '/srv/gatehouse/.gatehouse', adminEmail: 'admin@example.com' },
      claims: { refusalFloorMs: 25 },
      database: { poolSize: 20 },
    });
    expect(config.http.publicUrl.origin).toBe('http://127.0.0.1:3000');
    expect(config.http.metricsPort).toBeUndefined();
    expect(config.edge).toMatchObject({ port: 8080, portGiven: false, host: '127.0.0.1', staleSeconds: 900 });
  });

  it('makes PUBLIC_URL of HOST, PORT and TLS when it is not given', () => {
    expect(parse({ HOST: '0.0.0.0', PORT: '8080' }).http.publicUrl.origin).toBe('http://localhost:8080');
    expect(parse({ HOST: '::1', TLS_CERT_FILE: 'c.pem', TLS_KEY_FILE: 'k.pem' }).http.publicUrl.origin).toBe(
      'https://[::1]:3000',
    );
  });

  it('makes the names of DNS of BASE_DOMAIN when they are not given', () => {
    expect(parse({ BASE_DOMAIN: 'Gate.Example.com' }).domains).toMatchObject({
      baseDomain: 'gate.example.com',
      nameservers: ['ns1.gate.example.com', 'ns2.gate.example.com'],
      cnameSuffix: 'cname.gate.example.com',
      serverIp: '127.0.0.1',
      resolvers: [],
    });
    expect(
      parse({
        PUBLIC_URL: 'http://192.0.2.7',
        DNS_NAMESERVERS: 'a.example, b.example',
        DNS_RESOLVERS: '9.9.9.9,127.0.0.1:5353,[::1]:53,::1',
      }).domains,
    ).toMatchObject({
      serverIp: '192.0.2.7',
      nameservers: ['a.example', 'b.example'],
      resolvers: ['9.9.9.9', '127.0.0.1:5353', '[::1]:53', '::1'],
    });
  });

  it('sends mail with a server and a sender, or none at all', () => {
    expect(parse({}).mail).toBeUndefined();
    const smtp = { SMTP_URL: 'smtp://user:secret@127.0.0.1:2525', MAIL_FROM: 'Gatehouse <gate@example.com>' };
    expect(parse(smtp).mail).toEqual({ url: smtp.SMTP_URL, from: smtp.MAIL_FROM });
    expect(() => parse({ ...smtp, SMTP_URL: 'http://user:secret@127.0.0.1' })).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('secret') as string }) as Error,
    );
  });

  it('splits the root key at its first dot', () => {
    const secret = `${'s'.repeat(20)}.${'t'.repeat(20)}`;
    expect(parse({ ROOT_API_KEY: `root1.${secret}` }).installation.rootApiKey).toEqual({ id: 'root1', secret });
  });

  it.each([
    ['PORT', { PORT: '70000' }],
    ['PORT', { PORT: '3e3' }],
    ['HOST', { HOST: 'not a host' }],
    ['PUBLIC_URL', { PUBLIC_URL: 'gatehouse.example.com' }],
    ['PUBLIC_URL', { PUBLIC_URL: 'https://example.com/gatehouse' }],
    ['TLS_KEY_FILE', { TLS_CERT_FILE: 'cert.pem' }],
    ['METRICS_PORT', { METRICS_PORT: '3000' }],
    ['TLS_CERT_FILE', { DEVICE_TLS_PORT: '3001' }],
    ['DEVICE_TLS_PORT', { DEVICE_TLS_PORT: '3000', TLS_CERT_FILE: 'c.pem', TLS_KEY_FILE: 'k.pem' }],
    ['MTLS_ON_MAIN_PORT', { MTLS_ON_MAIN_PORT: 'true' }],
    ['MTLS_ON_MAIN_PORT', { MTLS_ON_MAIN_PORT: 'yes' }],
    ['DEVICE_TLS_NAME', { DEVICE_TLS_NAME: 'device.example.com' }],
    ['CLIENT_CERT_SECRET_FILE', { CLIENT_CERT_FROM: '127.0.0.1' }],
    ['CLIENT_CERT_FROM', { CLIENT_CERT_FROM: 'everyone', CLIENT_CERT_SECRET_FILE: 'secret' }],
    ['METRICS_PORT', { METRICS_PORT: '1', DEVICE_TLS_PORT: '1', TLS_CERT_FILE: 'c.pem', TLS_KEY_FILE: 'k.pem' }],
    ['EDGE_PORT', { EDGE_PORT: '3000' }],
    ['EDGE_CERT_DIR', { EDGE_TLS_PORT: '8443' }],
    ['EDGE_TLS_PORT', { EDGE_TLS_PORT: '3000', EDGE_CERT_DIR: 'certs' }],
    ['EDGE_PROXY_PROTOCOL', { EDGE_PROXY_PROTOCOL: 'on' }],
    ['TRUST_PROXY', { TRUST_PROXY: '10.0.0.0/8, everyone' }],
    ['ORG_SUBNET', { ORG_SUBNET: '100.90.128.1/17' }],
    ['ORG_SUBNET', { ORG_SUBNET: '100.90.128.0' }],
    ['BASE_DOMAIN', { BASE_DOMAIN: 'a b' }],
    ['DNS_NAMESERVERS', { DNS_NAMESERVERS: 'ns1.example.com,-' }],
    ['DNS_SERVER_IP', { DNS_SERVER_IP: 'example.com' }],
    ['DNS_RESOLVERS', { DNS_RESOLVERS: 'dns.example.com' }],
    ['DNS_RESOLVERS', { DNS_RESOLVERS: '127.0.0.1:99999' }],
    ['MAIL_FROM', { SMTP_URL: 'smtp://127.0.0.1' }],
    ['SMTP_URL', { MAIL_FROM: 'gate@example.com' }],
    ['SMTP_URL', { SMTP_URL: 'mail.example.com', MAIL_FROM: 'gate@example.com' }],
    ['MAIL_FROM', { SMTP_URL: 'smtp://127.0.0.1', MAIL_FROM: 'gate' }],
    ['RETENTION_DAYS', { RETENTION_DAYS: '0' }],
    ['DATABASE_URL', { DATABASE_URL: 'mysql://localhost/x', MASTER_KEY: key }],
    ['MASTER_KEY', { DATABASE_URL: 'postgres://localhost/x' }],
    ['MASTER_KEY', { MASTER_KEY: 'short' }],
    ['ADMIN_EMAIL', { ADMIN_EMAIL: 'admin' }],
    ['ADMIN_PASSWORD', { ADMIN_PASSWORD: 'x'.repeat(73) }],
    ['ROOT_API_KEY', { ROOT_API_KEY: `root1.${'s'.repeat(31)}` }],
    ['ROOT_API_KEY', { ROOT_API_KEY: `spk_root.${'s'.repeat(32)}` }],
    ['LOG_LEVEL', { LOG_LEVEL: 'loud' }],
    ['SERVER_ROLES', { SERVER_ROLES: 'agents, relay' }],
    ['SERVER_ROLES', { SERVER_ROLES: ',' }],
    ['GATEHOUSE_PORT', { GATEHOUSE_PORT: '3000' }],
  ])('refuses a wrong %s with one sentence that names it', (name, env) => {
    expect(() => parse(env as Record<string, string>)).toThrow(
      expect.objectContaining({ name: 'ConfigError', message: expect.stringContaining(name) }),
    );
  });

  it('says everything that is wrong in one message', () => {
    expect(() =>
      parse({ PORT: '70000', LOG_LEVEL: 'loud', TLS_CERT_FILE: 'c.pem', DATABASE_URL: 'postgres://h/d' }),
    ).toThrow(
      [
        '4 settings are wrong:',
        '  PORT must be a whole number from 0 to 65535, not "70000".',
        '  LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent, not "loud".',
        '  TLS_CERT_FILE is set but TLS_KEY_FILE is not; HTTPS needs both.',
        '  MASTER_KEY is required with DATABASE_URL: the one that the database was set up with or, for a new database, one made with `openssl rand -base64 32`; keep it.',
      ].join('\n'),
    );
  });

  it.each([
    ['GATEHOUSE_PORT', 'PORT'],
    ['GATEHOUSE_HARDWAREID', 'GATEHOUSE_HARDWARE_ID'],
  ])('suggests for %s what was probably meant: %s', (name, known) => {
    expect(() => parse({ [name]: 'x' })).toThrow(`${name} is not a variable of Gatehouse; did you mean ${known}?`);
  });

  it('lets the agent keep its own variables', () => {
    expect(() => parse({ GATEHOUSE_HARDWARE_ID: 'pump-7' })).not.toThrow();
  });

  it('never repeats a secret in a refusal', () => {
    const refusal = (env: Record<string, string>): string => {
      try {
        parse(env);
        return 'accepted';
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(refusal({ ROOT_API_KEY: 'hunter2' })).not.toContain('hunter2');
    expect(refusal({ DATABASE_URL: 'http://u:hunter2@h/d', MASTER_KEY: key })).not.toContain('hunter2');
    expect(refusal({ ADMIN_PASSWORD: 'hunter2' })).not.toContain('hunter2');
    expect(refusal({ MASTER_KEY: 'hunter2' })).not.toContain('hunter2');
    for (const user of ['u', ''])
      expect(refusal({ PUBLIC_URL: `https://${user}:hunter2@h` })).toMatch(/not "https:\/\/\*\*\*@h"/);
  });
});

describe('loadConfig', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gatehouse-config-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('generates the master key once, readable by its owner alone', () => {
    const first = loadConfig({}, folder).installation.masterKeys;
    expect(first.map((key) => key.length)).toEqual([32]);
    expect(loadConfig({}, folder).installation.masterKeys).toEqual(first);
    expect(statSync(join(folder, '.gatehouse/master.key')).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, '.gatehouse')).mode & 0o777).toBe(0o700);
  });

  it('takes two lines of master.key, the new one first, and nothing else than one or two keys', () => {
    const [own, previous] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    const file = join(folder, '.gatehouse/master.key');
    loadConfig({}, folder);
    const lines = (...keys: Buffer[]) => `${keys.map((one) => one.toString('base64')).join('\n')}\n`;
    writeFileSync(file, lines(own, previous));
    expect(loadConfig({}, folder).installation.masterKeys).toEqual([own, previous]);
    for (const text of [lines(own, own), lines(own, previous, Buffer.alloc(32, 3)), `${lines(own)}x\n`, '']) {
      writeFileSync(file, text);
      expect(() => loadConfig({}, folder)).toThrow(/master\.key does not hold 32 bytes/);
    }
  });

  it('takes the previous key by a variable, beside the own one', () => {
    const [own, previous] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)].map((one) => one.toString('base64')) as [
      string,
      string,
    ];
    expect(loadConfig({ MASTER_KEY: own, MASTER_KEY_PREVIOUS: previous }, folder).installation.masterKeys).toHaveLength(
      2,
    );
    expect(() => loadConfig({ MASTER_KEY_PREVIOUS: previous }, folder)).toThrow(
      'MASTER_KEY_PREVIOUS is set but MASTER_KEY is not.',
    );
    expect(() => loadConfig({ MASTER_KEY: own, MASTER_KEY_PREVIOUS: own }, folder)).toThrow('are the same');
  });

  it('reads .env, and the environment wins over it', () => {
    writeFileSync(join(folder, '.env'), 'PORT=4000\nHOST=0.0.0.0\n');
    const config = loadConfig({ PORT: '5000' }, folder);
    expect([config.http.port, config.http.host]).toEqual([5000, '0.0.0.0']);
  });

  it.each([
    ['PUBLIC_ULR', 'PUBLIC_URL'],
    ['PUBLICURL', 'PUBLIC_URL'],
    ['public_url', 'PUBLIC_URL'],
    ['HOTS', 'HOST'],
    ['TLS_CERTFILE', 'TLS_CERT_FILE'],
    ['LOGLEVEL', 'LOG_LEVEL'],
    ['ADMIN_PASWORD', 'ADMIN_PASSWORD'],
  ])('tells %s in .env from %s, beside whatever else is wrong', (name, known) => {
    writeFileSync(join(folder, '.env'), `${name}=x\n`);
    expect(() => loadConfig({ PORT: 'x' }, folder)).toThrow(
      `2 settings are wrong:\n  ${name} in .env is not a variable of Gatehouse; did you mean ${known}?\n  PORT must`,
    );
    expect(existsSync(join(folder, '.gatehouse'))).toBe(false);
  });

  it('leaves alone what is like no name, or like one that is set', () => {
    writeFileSync(join(folder, '.env'), 'POSTGRES_PASSWORD=x\nHOSTNAME=x\nSMTP_PORT=25\nPORTS=1\nPORT=4000\n');
    expect(readEnvironment({}, folder)).toMatchObject({ problems: [], hints: [] });
  });

  it('only mentions a name of the environment, which is not ours alone', () => {
    expect(readEnvironment({ DATABASE_URI: 'x', SMTP_HOST: 'x', PATH: '/bin', PROT: '1' }, folder)).toMatchObject({
      problems: [],
      hints: ['DATABASE_URI in the environment is not a variable of Gatehouse; did you mean DATABASE_URL?'],
    });
  });

  it.each([
    ['https://gate.example.com', 'example.com', 'example.com'],
    ['https://gate.example.com:8443', 'apps.example.com', 'example.com'],
    ['https://gate.acme.co.uk', 'apps.acme.co.uk', 'acme.co.uk'],
    ['https://gate.example.net', 'apps.example.com', undefined],
    ['https://gate.co.uk', 'apps.other.co.uk', undefined],
    ['http://gate.localhost', 'apps.gate.localhost', undefined],
    ['http://localhost', 'localhost', undefined],
    ['http://192.0.2.1', 'example.com', undefined],
  ])('mentions that dashboard %s and resources on %s share a domain: %s', (PUBLIC_URL, BASE_DOMAIN, shared) => {
    const { hints } = readEnvironment({ PUBLIC_URL, BASE_DOMAIN }, folder);
    expect(hints).toEqual(shared === undefined ? [] : [expect.stringContaining(`are both on ${shared}:`)]);
  });

  it("refuses a DATA_DIR with somebody else's files and leaves them alone", () => {
    writeFileSync(join(folder, 'thesis.txt'), 'mine');
    expect(() => loadConfig({ DATA_DIR: folder }, folder)).toThrow(/DATA_DIR .* not Gatehouse's/);
    expect(existsSync(join(folder, 'master.key'))).toBe(false);
  });

  it('refuses a TLS file that is not there', () => {
    expect(() => loadConfig({ TLS_CERT_FILE: 'a.pem', TLS_KEY_FILE: 'b.pem' }, folder)).toThrow(
      /TLS_CERT_FILE.*ENOENT/,
    );
  });
});

it('.env.example is current', () => {
  expect(readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8')).toBe(renderEnvExample());
});

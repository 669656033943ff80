import { describe, expect, it } from 'vitest';
import { showConfig } from '../cli/show-config.js';
import { checkSettings, logLevel, resolveSettings, warningsAbout } from './options.js';
import type { SettingValue } from './settings.js';

const cli = (values: Record<string, SettingValue>) => new Map(Object.entries(values));

describe('precedence', () => {
  it('is command line, environment, file, default', () => {
    const resolved = resolveSettings(
      cli({ endpoint: 'http://cli' }),
      { PANGOLIN_ENDPOINT: 'http://env', NEWT_ID: 'env' },
      { endpoint: 'http://file', id: 'file', secret: 'file' },
    );
    expect(resolved.settings).toMatchObject({ endpoint: 'http://cli', id: 'env', secret: 'file', logLevel: 'INFO' });
  });

  it('takes an empty environment variable and a null in the file as not set, an explicit empty flag as set', () => {
    const { settings } = resolveSettings(
      cli({ id: '' }),
      { NEWT_SECRET: '', NEWT_ID: 'x' },
      { secret: 'file', name: null },
    );
    expect(settings).toMatchObject({ id: '', secret: 'file', name: '' });
  });

  it('takes a boolean variable as true only when it says exactly true', () => {
    expect(resolveSettings(cli({}), { GATEHOUSE_NO_WAIT: 'true' }, {}).settings.noWait).toBe(true);
    expect(resolveSettings(cli({}), { GATEHOUSE_NO_WAIT: '1' }, { noWait: true }).settings.noWait).toBe(false);
  });

  it('leaves out the carriage return that Windows line ends put behind a value', () => {
    const { settings } = resolveSettings(
      cli({ endpoint: 'http://cli\r', tlsClientCa: ['a\r'] }),
      {},
      { id: 'n\r\n', tlsClientCa: ['f\r'] },
    );
    expect(settings).toMatchObject({ endpoint: 'http://cli', id: 'n', tlsClientCa: ['f', 'a'] });
  });

  it('puts the CA files of all sources together', () => {
    expect(
      resolveSettings(cli({ tlsClientCa: ['c'] }), { TLS_CLIENT_CAS: 'a, b' }, { tlsClientCa: ['f'] }).settings
        .tlsClientCa,
    ).toEqual(['f', 'a', 'b', 'c']);
  });

  it('reads a lone TLS_CLIENT_CERT as PKCS12, as newt does', () => {
    expect(resolveSettings(cli({}), { TLS_CLIENT_CERT: 'c.p12' }, {}).settings).toMatchObject({
      tlsClientCert: 'c.p12',
      tlsClientCertFile: '',
    });
    expect(resolveSettings(cli({}), { TLS_CLIENT_CERT: 'c.pem', TLS_CLIENT_KEY: 'k.pem' }, {}).settings).toMatchObject({
      tlsClientCert: '',
      tlsClientCertFile: 'c.pem',
    });
  });

  it('does not let a file switch TLS verification off', () => {
    expect(resolveSettings(cli({}), {}, { skipTlsVerify: true }).settings.skipTlsVerify).toBe(false);
    expect(resolveSettings(cli({}), { SKIP_TLS_VERIFY: 'true' }, {}).settings.skipTlsVerify).toBe(true);
  });
});

describe('checks', () => {
  const settings = (values: Record<string, SettingValue>) =>
    resolveSettings(cli({ endpoint: 'https://host', ...values }), {}, {}).settings;

  it.each(['', 'host', 'host:3000', 'ftp://host', 'https://user:pw@host', 'https://host?x=1'])(
    'refuses the endpoint %j',
    (endpoint) => {
      expect(() => checkSettings(settings({ endpoint }))).toThrow(expect.objectContaining({ code: 78 }));
    },
  );
});

describe('warnings', () => {
  it('name every setting without effect, as it was given', () => {
    const env = { DISABLE_CLIENTS: 'true', PORT: '8080' };
    const resolved = resolveSettings(cli({ pprof: true, mtu: '1280' }), env, { region: 'eu' });
    expect(warningsAbout(resolved, env)).toEqual([
      '--pprof is not available yet and has no effect in this version',
      '`region` in the config file is not available yet and has no effect in this version',
      'only meaningful with a WireGuard tunnel, without effect here: --mtu, DISABLE_CLIENTS',
    ]);
  });

  it.each([
    ['warning', 'WARN'],
    ['debug', 'DEBUG'],
    ['Error ', 'ERROR'],
    ['loud', 'INFO'],
  ])('take the log level %j as %s', (value, level) => {
    expect(logLevel(value)).toBe(level);
    expect(warningsAbout(resolveSettings(cli({ logLevel: value }), {}, {}), {})).toEqual(
      level === 'INFO' ? ["the log level 'loud' is none of DEBUG, INFO, WARN, ERROR, FATAL; it is INFO"] : [],
    );
  });

  it.each(['1', 'TRUE', 'yes', 'on'])('tell that a boolean variable of %j is false, as a newt takes it', (value) => {
    const env = { GATEHOUSE_NO_WAIT: value, SKIP_TLS_VERIFY: value };
    const resolved = resolveSettings(cli({}), env, {});
    expect(resolved.settings).toMatchObject({ noWait: false, skipTlsVerify: false });
    expect(warningsAbout(resolved, env)).toEqual([
      `GATEHOUSE_NO_WAIT=${value} counts as false: only \`true\` switches it on`,
      `SKIP_TLS_VERIFY=${value} counts as false: only \`true\` switches it on`,
    ]);
  });

  it.each(['true', 'false', '0', 'no', 'Off'])('are silent about a boolean variable of %j', (value) => {
    const env = { GATEHOUSE_NO_WAIT: value };
    expect(warningsAbout(resolveSettings(cli({}), env, {}), env)).toEqual([]);
  });

  it('are silent about defaults', () => {
    expect(warningsAbout(resolveSettings(cli({}), {}, {}), {})).toEqual([]);
  });
});

describe('--show-config', () => {
  it('shows value and source, and no secret', () => {
    const resolved = resolveSettings(
      cli({ provisioningKey: 'spk_public.secretsecret' }),
      { NEWT_SECRET: 'topsecret', AD_KEY: 'daemonkey' },
      { endpoint: 'https://host', adPreSharedKey: 'x' },
    );
    const text = showConfig('/etc/agent.json', resolved);
    expect(text).toMatch(/^endpoint +https:\/\/host +file$/m);
    expect(text).toMatch(/^provisioningKey +\*{8} +cli$/m);
    expect(text).toMatch(/^secret +\*{8} +env$/m);
    expect(text).not.toMatch(/topsecret|secretsecret|daemonkey/);
  });
});

import { parse as parseHcl } from '@cdktf/hcl2json';
import { parse as parseIni } from 'ini';
import { parse as parseShell } from 'sh-syntax';
import { describe, expect, it } from 'vitest';
import { parseDocument } from 'yaml';
import { type Enrolment, type Language, type Snippet, snippetsFor, type TemplateDoor, warningsFor } from './index';

const KEY = 'spk_abcdefghijklmno.mfrggzdfmztwq2lknnwg23tpobyxe43u';
const ENROLMENT: Enrolment = {
  key: KEY,
  trustFingerprint: 'S07VE3Bh.x-Y_z',
  endpoint: 'https://gatehouse.example.com',
  deviceEndpoint: 'https://gatehouse.example.com:3001',
};
const DOORS: Record<string, TemplateDoor> = {
  'newts, API keys': { newtDoor: true, credentialType: 'api_key' },
  'newts, certificates': { newtDoor: true, credentialType: 'certificate' },
  'certificates alone': { newtDoor: false, credentialType: 'certificate' },
  'API keys alone': { newtDoor: false, credentialType: 'api_key' },
  'pre-shared keys alone': { newtDoor: false, credentialType: 'psk' },
};

function yaml(text: string): Record<string, unknown> {
  const document = parseDocument(text, { strict: true, uniqueKeys: true });
  expect([...document.errors, ...document.warnings]).toEqual([]);
  return document.toJS() as Record<string, unknown>;
}
const PARSERS: Record<Language, (text: string) => unknown> = {
  shell: (text) => parseShell(text),
  yaml,
  ini: parseIni,
  hcl: (text) => parseHcl('gatehouse.tf', text),
};

const of = (kind: Snippet['kind'], door = DOORS['newts, API keys']!): Snippet =>
  snippetsFor(ENROLMENT, door).find((one) => one.kind === kind)!;
const textOf = (snippet: Snippet, file: string): string => snippet.steps.find((step) => step.file === file)!.text;

describe('snippets', () => {
  it.each(Object.entries(DOORS))('are read by the parsers of their kind: %s', async (_, door) => {
    const snippets = snippetsFor(ENROLMENT, door);
    expect(snippets.length).toBeGreaterThan(0);
    for (const { kind, steps } of snippets) {
      for (const { language, text } of steps) await PARSERS[language](text);
      const texts = steps.map(({ text }) => text).join('\n');
      expect(texts.split(KEY), `${kind} holds the key once`).toHaveLength(2);
      expect(texts, kind).toContain('gatehouse.example.com');
    }
  });

  it('would be refused by those parsers if they were broken', async () => {
    await expect(parseShell("cat > x <<'KEY'\nspk\nif")).rejects.toThrow();
    await expect(parseHcl('x.tf', 'locals { a = ')).rejects.toThrow();
    expect(() => yaml('a: [b')).toThrow();
  });

  it('fit the door and the credential of the template', () => {
    const kinds = (door: keyof typeof DOORS, enrolment = ENROLMENT) =>
      snippetsFor(enrolment, DOORS[door]!).map(({ kind }) => kind);
    const agent = ['shell', 'cloud-init', 'systemd', 'docker', 'compose', 'kubernetes', 'ansible', 'terraform'];
    expect(kinds('newts, API keys')).toEqual([...agent, 'newt', 'http']);
    expect(kinds('newts, certificates')).toEqual([...agent, 'newt', 'est']);
    expect(kinds('certificates alone')).toEqual([...agent, 'est']);
    expect(kinds('API keys alone')).toEqual(['http']);
    expect(kinds('certificates alone', { ...ENROLMENT, endpoint: 'http://gate', deviceEndpoint: null })).toEqual([]);
  });

  it('give the key to no program as an argument', () => {
    for (const door of Object.values(DOORS))
      for (const { kind, steps } of snippetsFor(ENROLMENT, door))
        for (const { language, text } of steps) {
          if (language !== 'shell') continue;
          const lines = text.split('\n').filter((line) => line.includes(KEY));
          // In a here-document, or by `printf`, which is part of the shell.
          for (const line of lines) expect(line, kind).toMatch(/^(spk_[^ ]+$|\{?"?| {2}"provisioningKey"|printf %s ')/);
          expect(text, kind).not.toMatch(/(--provisioning-key|-e NEWT_PROVISIONING_KEY)[ =]/);
        }
  });

  it('mean what they say to the program that reads them', async () => {
    const { write_files, runcmd } = yaml(textOf(of('cloud-init'), 'user-data')) as {
      write_files: { content: string; permissions: string }[];
      runcmd: string[][];
    };
    expect(write_files).toEqual([{ path: '/root/gatehouse.key', permissions: '0600', content: `${KEY}\n` }]);
    await parseShell(runcmd[0]![2]!);
    expect(runcmd[0]![2]).toContain('--trust-fingerprint S07VE3Bh.x-Y_z');

    const unit = parseIni(textOf(of('systemd'), '/etc/systemd/system/gatehouse-agent.service')) as {
      Service: { ExecStart: string };
    };
    expect(unit.Service.ExecStart).toBe('/usr/bin/node /usr/local/lib/gatehouse-agent.mjs');

    const compose = yaml(textOf(of('compose'), 'compose.yml')) as {
      services: { 'gatehouse-agent': { environment: Record<string, string>; secrets: string[] } };
    };
    expect(compose.services['gatehouse-agent']).toMatchObject({
      environment: { PANGOLIN_ENDPOINT: ENROLMENT.endpoint, GATEHOUSE_TRUST_FINGERPRINT: ENROLMENT.trustFingerprint },
      secrets: ['gatehouse_key'],
    });

    const pod = yaml(textOf(of('kubernetes'), 'gatehouse-agent.yml')) as {
      spec: { template: { spec: { containers: { env: object[] }[] } } };
    };
    expect(pod.spec.template.spec.containers[0]!.env).toContainEqual({
      name: 'PANGOLIN_ENDPOINT',
      value: ENROLMENT.endpoint,
    });

    const play = yaml(textOf(of('ansible'), 'gatehouse.yml')) as unknown as {
      tasks: { 'ansible.builtin.command'?: { argv: string[]; stdin: string } }[];
    }[];
    expect(play[0]!.tasks[1]!['ansible.builtin.command']).toEqual({
      argv: ['sh', '/root/gatehouse-install.sh', '--key-file', '-', '--trust-fingerprint', 'S07VE3Bh.x-Y_z'],
      stdin: '{{ gatehouse_key }}',
    });

    const terraform = (await parseHcl('gatehouse.tf', textOf(of('terraform'), 'gatehouse.tf'))) as {
      variable: { gatehouse_key: { sensitive: boolean }[] };
    };
    expect(terraform.variable.gatehouse_key[0]!.sensitive).toBe(true);
  });

  it('of certificates ask the port for devices, and take the program from the other', () => {
    const { text } = of('shell', DOORS['certificates alone']!).steps[0]!;
    expect(text).toContain('curl -fsS https://gatehouse.example.com/install.sh');
    expect(text).toContain('--credential certificate --endpoint https://gatehouse.example.com:3001');
  });
});

describe('warnings', () => {
  const of = (endpoint: string, door = DOORS['newts, API keys']!, deviceEndpoint: string | null = null) =>
    warningsFor({ ...ENROLMENT, endpoint, deviceEndpoint }, door);
  it('tell of an address that others cannot reach, or can read', () => {
    expect(of('https://gatehouse.example.com')).toEqual([]);
    expect(of('http://127.0.0.1:3000')).toEqual(['loopback']);
    expect(of('https://localhost:3000')).toEqual(['loopback']);
    expect(of('http://[::1]:3000')).toEqual(['loopback']);
    expect(of('http://192.0.2.7:3000')).toEqual(['plain']);
    expect(of('https://gate', DOORS['certificates alone'])).toEqual(['noDevicePort']);
    expect(of('https://gate', DOORS['certificates alone'], 'https://gate:3001')).toEqual([]);
  });
});

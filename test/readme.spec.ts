import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseConfig } from '#platform';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const section = /\n## Reach it from other machines\n([\s\S]*?)\n## /.exec(readme)?.[1] ?? '';
/** The code blocks of a language, in their order. */
const blocks = (language: string): string[] =>
  [...section.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, text]) => text!);

describe('README, on how other machines reach a server,', () => {
  it('has variables that the server takes', () => {
    const settings = blocks('sh').map((text) =>
      Object.fromEntries(
        text
          .trim()
          .split('\n')
          .map((line) => line.split('=')),
      ),
    );
    expect(settings.map((variables: Record<string, string>) => parseConfig(variables, '/').http)).toMatchObject([
      { host: '0.0.0.0', publicUrlGiven: true, tls: undefined },
      { host: '0.0.0.0', port: 443, tls: expect.anything() as object },
      { host: '127.0.0.1', trustProxy: ['127.0.0.1'] },
    ]);
  });

  it('passes websockets, addresses and large documents through nginx', () => {
    const [nginx] = blocks('nginx');
    for (const line of [
      'proxy_http_version 1.1;',
      'proxy_set_header Upgrade $http_upgrade;',
      'proxy_set_header Connection $connection_upgrade;',
      'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;',
      'proxy_set_header X-Forwarded-Proto $scheme;',
      'client_max_body_size 2m;',
      'proxy_buffering off;',
    ])
      expect(nginx).toContain(line);
  });

  it('has a file for Traefik that is YAML, and a private authority for agents', () => {
    const traefik = parse(blocks('yaml')[0]!) as { http: { services: object } };
    expect(traefik.http.services).toEqual({
      gatehouse: { loadBalancer: { servers: [{ url: 'http://127.0.0.1:3000' }] } },
    });
    expect(section).toContain('NODE_EXTRA_CA_CERTS');
  });
});

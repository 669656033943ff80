import { existsSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const path = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url));
const read = (name: string): string => readFileSync(path(name), 'utf8');

interface Service {
  env_file?: { path: string; required: boolean }[];
  environment: Record<string, string>;
}
const { server, database } = (parse(read('docker/compose.yml')) as { services: Record<string, Service> }).services;

describe('docker/compose.yml', () => {
  it('gives the server every variable of docker/.env, which need not be there', () => {
    expect(server!.env_file).toEqual([{ path: '.env', required: false }]);
    // What stands here wins over the file: nothing of it may be a mere default.
    for (const [name, value] of Object.entries(server!.environment))
      expect([name, value]).toEqual([name, expect.not.stringMatching(/:-/)]);
  });

  it('pastes no password into a URL', () => {
    const password = '${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD}';
    expect(database!.environment['POSTGRES_PASSWORD']).toBe(password);
    expect(server!.environment['PGPASSWORD']).toBe(password);
    const url = new URL(server!.environment['DATABASE_URL']!);
    expect({ user: url.username, password: url.password, path: url.pathname }).toEqual({
      user: database!.environment['POSTGRES_USER'],
      password: '',
      path: `/${database!.environment['POSTGRES_DB']}`,
    });
    expect(JSON.stringify(server!.environment)).not.toMatch(/:\/\/[^"]*\$\{/);
  });
});

describe('the image of the server', () => {
  const lines = read('docker/server.Dockerfile').split('\n');
  const copied = lines.flatMap((line) => {
    const [, from, sources, target] = /^COPY (--from=build )?(?:--\S+ )*(.+) (\S+)$/.exec(line) ?? [];
    return sources === undefined || sources === '.' ? [] : [{ from, sources: sources.split(' '), target: target! }];
  });

  it('has the admin command and the health check, which the context brings', () => {
    expect(copied).toContainEqual({ from: undefined, sources: ['docker/admin'], target: '/usr/local/bin/' });
    expect(statSync(path('docker/admin')).mode & 0o111).toBe(0o111);
    expect(read('docker/admin')).toMatch(/^#!\/bin\/sh\n(#.*\n)*exec node \/app\/dist\/server\/admin\.js "\$@"\n$/);
    expect(copied).toContainEqual({ from: undefined, sources: ['docker/healthcheck.mjs'], target: 'docker/' });
    expect(lines.find((line) => line.startsWith('HEALTHCHECK'))).toMatch(/CMD \["node", "docker\/healthcheck\.mjs"\]$/);
    for (const { from, sources } of copied)
      if (from === undefined)
        for (const source of sources) expect([source, existsSync(path(source))]).toEqual([source, true]);
  });

  it('is built without secrets: no .env of any folder is in its context', () => {
    const ignored = read('.dockerignore').split('\n');
    for (const pattern of ['**/.env', '**/.env.*', '**/.gatehouse', '**/node_modules'])
      expect(ignored).toContain(pattern);
  });
});

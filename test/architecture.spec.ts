import 'reflect-metadata';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { describe, expect, it } from 'vitest';
import { ROUTE_SCOPE, type RouteScope } from '../libs/platform/access/route-access.js';
import { OWNER } from './support/table-owners.js';
import { tableWrites } from './support/table-writes.js';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Right to left: a module may use what stands behind it in this list (CONTRIBUTING.md). */
const LAYERS = [
  'first-run',
  'operations',
  'edge',
  'agents',
  'instances',
  'provisioning',
  'approvals',
  'blueprints',
  'resources',
  'clients',
  'sites',
  'orgs',
  'access',
  'cluster',
  'jobs',
  'audit',
  'health',
  'dashboard',
];
/** The composition of the application sees every module. */
const COMPOSITION = [
  'src/main.ts',
  'src/server.ts',
  'src/admin.ts',
  'src/administer.ts',
  'src/worker.ts',
  'src/app.ts',
  'src/app.module.ts',
  'src/schema.ts',
];
const MAX_LINES = 400;
/** The schema and the statements of a release, in their order. */
const LONG = 'src/migrations/';
/** Not split yet: this list only ever gets shorter, and what is no longer too long must leave it. */
const STILL_LONG: string[] = [];

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.name === 'node_modules' || entry.name === 'dist') return [];
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

const all = ['src', 'libs'].flatMap(filesBelow).filter((file) => /(?<!\.gen)\.tsx?$/.test(file));
const production = all.filter((file) => !file.endsWith('.spec.ts'));
const text = (file: string) => readFileSync(join(root, file), 'utf8');

const { imports: subpaths } = JSON.parse(text('package.json')) as {
  imports: Record<string, string | { 'gatehouse-source': string }>;
};

/** Where an import of a file leads, as a path from the root; undefined for a package. */
function targetOf(file: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return relative(root, resolve(root, dirname(file), specifier)).replace(/\.js$/, '.ts');
  if (!specifier.startsWith('#')) return undefined;
  const subpath = subpaths[specifier];
  return typeof subpath === 'object' ? subpath['gatehouse-source'].replace('./', '') : `no such subpath: ${specifier}`;
}

/** The files of this repository that a file imports, as paths from the root. */
const importsOf = (file: string): string[] =>
  [...text(file).matchAll(/(?:from|import)\s*\(?\s*'([^']*)'/g)].flatMap(
    ([, specifier]) => targetOf(file, specifier!) ?? [],
  );

/** `src/<module>`, or `libs/<library>`. */
const folderOf = (file: string) => file.split('/').slice(0, 2).join('/');

/** Why this import is not allowed, or undefined. */
function violation(file: string, imported: string): string | undefined {
  const [from, to] = [folderOf(file), folderOf(imported)];
  if (imported.startsWith('no such subpath')) return imported;
  if (from === to || COMPOSITION.includes(file)) return undefined;
  if (from.startsWith('libs/')) {
    if (to.startsWith('src')) return 'libs never imports src';
    const allowed: Record<string, string[]> = {
      'libs/contracts': [],
      'libs/platform': ['libs/contracts'],
      'libs/document': ['libs/contracts'],
      'libs/blueprint': ['libs/contracts', 'libs/document'],
      'libs/bootstrap': ['libs/contracts', 'libs/document'],
      'libs/checks': ['libs/contracts'],
      'libs/agent': ['libs/contracts', 'libs/blueprint', 'libs/bootstrap', 'libs/checks'],
      'libs/dashboard': ['libs/contracts', 'libs/blueprint', 'libs/bootstrap', 'libs/document'],
    };
    if (!allowed[from]?.includes(to)) return `${from} may not import ${to}`;
    return imported === `${to}/index.ts` ? undefined : 'a library is entered by its index.ts';
  }
  if (to === 'libs/agent') return 'the server does not import the agent';
  if (to === 'libs/dashboard') return 'the server does not import the dashboard';
  if (to.startsWith('libs/')) return imported === `${to}/index.ts` ? undefined : 'a library is entered by its index.ts';
  if (imported.split('/').length > 3 || !imported.endsWith('/index.ts'))
    return 'another module is entered by its index.ts';
  const [mine, theirs] = [from, to].map((room) => LAYERS.indexOf(room.slice('src/'.length)));
  if (mine === -1 || theirs === -1) return 'a module has its place in LAYERS';
  return mine! < theirs! ? undefined : `${to} does not stand to the right of ${from}`;
}

describe('imports', () => {
  it('go one way', () => {
    const bad = production.flatMap((file) =>
      importsOf(file).flatMap((imported) => {
        const why = violation(file, imported);
        return why ? [`${file} imports ${imported}: ${why}`] : [];
      }),
    );
    expect(bad).toEqual([]);
  });

  it('the check itself sees wrong ones', () => {
    expect(violation('src/sites/site-lifecycle.service.ts', 'src/provisioning/index.ts')).toMatch(/to the right/);
    expect(violation('src/provisioning/x.ts', 'src/sites/site-lifecycle.service.ts')).toMatch(/index/);
    expect(violation('libs/platform/x.ts', 'src/sites/index.ts')).toMatch(/never/);
    expect(violation('libs/agent/src/x.ts', 'libs/platform/index.ts')).toMatch(/may not/);
    expect(violation('src/provisioning/x.ts', 'src/sites/index.ts')).toBeUndefined();
    expect(violation('libs/blueprint/x.ts', targetOf('libs/blueprint/x.ts', '#platform')!)).toBe(
      'libs/blueprint may not import libs/platform',
    );
    expect(violation('src/sites/x.ts', targetOf('src/sites/x.ts', '#platform')!)).toBeUndefined();
    expect(violation('src/sites/x.ts', targetOf('src/sites/x.ts', '#platform/database/db')!)).toMatch(/./);
  });

  it('libs/contracts imports nothing from outside', () => {
    const bad = production
      .filter((f) => f.startsWith('libs/contracts/'))
      .flatMap((f) => [...text(f).matchAll(/from '([^.][^']*)'/g)].map((m) => `${f}: ${m[1]}`));
    expect(bad).toEqual([]);
  });

  it('documents are read wherever JavaScript runs', () => {
    const bad = production
      .filter((f) => /^libs\/(?:document|bootstrap)\/|^libs\/blueprint\/(?!export\.ts)/.test(f))
      .filter((f) => /from 'node:|\b(?:Buffer|process)\.|\brequire\(/.test(text(f)));
    expect(bad).toEqual([]);
  });
});

const ownerOf = new Map(
  Object.entries(OWNER).flatMap(([module, tables]) => tables.map((table) => [table, module] as const)),
);

/** Files that choose a table by code, and which they choose from. */
const COMPUTED: Record<string, string[]> = {
  'src/edge/logs/log-writes.repository.ts': ['access_log', 'request_log', 'traffic_hour'],
  'src/resources/role-replacement.service.ts': ['resource_role', 'site_resource_role'],
  'src/resources/staged/staged-rows.ts': ['resource', 'site_resource'],
  'src/resources/writer/resource-rows.ts': [...OWNER.resources],
  'src/resources/writer/resource-writer.ts': [
    'resource',
    'resource_role',
    'resource_rule',
    'site_resource',
    'site_resource_role',
    'target',
  ],
};

/** Who writes what is not theirs, still: this list only ever gets shorter. */
const FOREIGN_WRITES: string[] = [];

const entities = new Map(
  production.flatMap((file) =>
    [...text(file).matchAll(/@Entity\('(\w+)'\)[\s\S]*?\bclass (\w+)/g)].map(
      ([, table, name]) => [name!, table!] as const,
    ),
  ),
);

/** `file: table` for each table of another module, or of no known one, that a file writes. */
function foreignWrites(file: string, source: string): string[] {
  const mine = new Set(file.startsWith('src/') ? OWNER[file.split('/')[1] as keyof typeof OWNER] : OWNER.platform);
  const named = (name: string): string[] => {
    if (!name.includes('${')) return [name];
    const pattern = new RegExp(`^${name.replace(/\$\{[^}]*\}/g, '\\w+')}$`);
    const matching = [...ownerOf.keys()].filter((table) => pattern.test(table));
    // A name that could be any table is one that the file answers for in COMPUTED.
    if (COMPUTED[file]) return matching.filter((table) => COMPUTED[file]!.includes(table));
    return matching.length === ownerOf.size ? [name] : matching;
  };
  return [...new Set(tableWrites(source, entities).flatMap(named))]
    .filter((table) => !mine.has(table))
    .map((table) => `${file}: ${table}`);
}

describe('tables', () => {
  const written = production.filter((file) => file.startsWith('src/') && !file.startsWith('src/migrations/'));

  it('have one writer each', () => {
    expect(written.flatMap((file) => foreignWrites(file, text(file))).sort()).toEqual(FOREIGN_WRITES);
  });

  it('have an owner, all that migrations make', () => {
    const made = production
      .filter((file) => file.startsWith('src/migrations/') || file.startsWith('libs/platform/database/'))
      .flatMap((file) => [...text(file).matchAll(/CREATE TABLE (?:IF NOT EXISTS )?"?(\w+)/g)].map((m) => m[1]!));
    expect([...new Set(made)].filter((table) => !ownerOf.has(table))).toEqual([]);
  });

  it('the check itself sees wrong ones', () => {
    const of = (source: string, file = 'src/approvals/x.ts') => foreignWrites(file, source);
    const wrong = ['src/approvals/x.ts: site'];
    expect(of("query(tx, 'UPDATE site SET name = $1')")).toEqual(wrong);
    expect(of('query(tx, `update only site AS s\n  SET name = $1`)')).toEqual(wrong);
    expect(
      of('query(tx, `WITH gone AS (DELETE\n FROM site WHERE site_id = ${id} RETURNING *) SELECT FROM gone`)'),
    ).toEqual(wrong);
    expect(
      of("query(tx, 'INSERT INTO site (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = excluded.name')"),
    ).toEqual(wrong);
    expect(of('query(tx, `TRUNCATE TABLE site`)')).toEqual(wrong);
    expect(of('query(tx, "DELETE FROM ONLY site")')).toEqual(wrong);
    expect(of('query(tx, \'UPDATE "user" SET name = $1\')')).toEqual(['src/approvals/x.ts: user']);
    expect(of('tx.save(SiteGroup, row)')).toEqual(['src/approvals/x.ts: site_group']);
    expect(of('em.getRepository(Org).update({ orgId }, row)')).toEqual(['src/approvals/x.ts: org']);
    expect(of('em.createQueryBuilder().insert().into(Org).values(row)')).toEqual(['src/approvals/x.ts: org']);
    expect(of("query(tx, 'UPDATE ' + name)")).toEqual(['src/approvals/x.ts: ?']);
    expect(of('query(tx, `DELETE FROM ${table}`)')).toEqual(['src/approvals/x.ts: ${table}']);
    expect(of('query(tx, `DELETE FROM ${of}_group`)')).toHaveLength(3);
    expect(of("query(tx, 'INSERT INTO nowhere DEFAULT VALUES')", 'src/sites/x.ts')).toEqual([
      'src/sites/x.ts: nowhere',
    ]);
    // Reads, locks, comments and a module's own are fine.
    expect(of("query(tx, 'SELECT FROM site FOR NO KEY UPDATE')")).toEqual([]);
    expect(of('// DELETE FROM site')).toEqual([]);
    expect(of('tx.findOneBy(SiteGroup, { groupId })')).toEqual([]);
    expect(of("query(tx, 'DELETE FROM tombstone')")).toEqual([]);
    expect(of('query(tx, `DELETE FROM provisioning_${of}_group`)', 'src/provisioning/x.ts')).toEqual([]);
  });
});

describe('sources', () => {
  it('hold none of what hides an unfinished or circular thing', () => {
    const forbidden =
      /forwardRef\(|\bas any\b|@ts-ignore|@ts-expect-error|\bTODO\b|\bFIXME\b|synchronize: *true|\b(?:it|describe|test)\.(?:only|skip|todo)\(/;
    const tests = filesBelow('test').filter((file) => file.endsWith('.ts') && file !== 'test/architecture.spec.ts');
    expect([...all, ...tests].filter((file) => forbidden.test(text(file)))).toEqual([]);
  });

  it('are files of one thought', () => {
    const long = [...all, ...['test', 'scripts'].flatMap(filesBelow)]
      .filter((file) => /\.(?:ts|mts|mjs)$/.test(file) && !file.startsWith(LONG))
      .filter((file) => text(file).trimEnd().split('\n').length > MAX_LINES);
    expect(long.sort()).toEqual(STILL_LONG);
  });

  it('of tests that mock modules are kept apart from those that share them', () => {
    const specs = [...all, ...filesBelow('test')].filter((file) => file.endsWith('spec.ts'));
    const mocking = specs.filter((file) => /\bvi\.(?:mock|doMock|resetModules)\(/.test(text(file)));
    expect(mocking.filter((file) => !text('vitest.config.ts').includes(`'${file}'`))).toEqual([]);
  });
});

interface Route {
  name: string;
  path: string;
  scope: RouteScope | undefined;
}

/** Every route of every controller, as Nest's own metadata tells. */
async function routes(): Promise<Route[]> {
  const found: Route[] = [];
  for (const file of production.filter((f) => f.endsWith('.controller.ts'))) {
    const exported = (await import(join(root, file))) as Record<string, unknown>;
    for (const controller of Object.values(exported)) {
      if (typeof controller !== 'function' || !Reflect.hasMetadata(PATH_METADATA, controller)) continue;
      const base = Reflect.getMetadata(PATH_METADATA, controller) as string;
      for (const name of Object.getOwnPropertyNames(controller.prototype)) {
        const handler = (controller.prototype as Record<string, unknown>)[name];
        if (typeof handler !== 'function' || !Reflect.hasMetadata(METHOD_METADATA, handler)) continue;
        const paths = [Reflect.getMetadata(PATH_METADATA, handler) as string | string[]].flat();
        found.push({
          name,
          path: `${base}/${paths[0]}`,
          scope: Reflect.getMetadata(ROUTE_SCOPE, handler) ?? Reflect.getMetadata(ROUTE_SCOPE, controller),
        });
      }
    }
  }
  return found;
}

describe('routes', () => {
  it('each declare their scope', async () => {
    const found = await routes();
    expect(found.length).toBeGreaterThan(60);
    expect(found.filter((route) => route.scope === undefined).map((route) => route.path)).toEqual([]);
  });

  it('have names of their own, which are their operation ids', async () => {
    const names = (await routes()).map((route) => route.name);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  });

  it('have a resolver for each path parameter', async () => {
    // What is somebody's own is of no tenant.
    const ofTenants = (await routes()).filter(({ scope }) => scope?.kind !== 'user');
    const parameters = new Set(ofTenants.flatMap((route) => [...route.path.matchAll(/:(\w+)/g)].map((m) => m[1]!)));
    const sources = production
      .filter((f) => f.startsWith('src/'))
      .map(text)
      .join('\n');
    const registered = new Set(
      [...sources.matchAll(/(?:register|registerNumber|resolveByNumber)\(\s*'(\w+)'/g)].map((m) => m[1]!),
    );
    expect([...parameters].filter((name) => !registered.has(name))).toEqual([]);
  });
});

// Builds the pages into dist/dashboard, each file also compressed, for the server to serve. `--types`: only what the type check needs.
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { Generator, getConfig } from '@tanstack/router-generator';
import openapiTs, { astToString } from 'openapi-typescript';
import { build } from 'vite';
import { ROUTES } from '../libs/dashboard/routes.config.mjs';

const dashboard = fileURLToPath(new URL('../libs/dashboard', import.meta.url));
const out = fileURLToPath(new URL('../dist/dashboard', import.meta.url));
const WORTH_COMPRESSING = 1024;

await writeApiTypes();
if (process.argv.includes('--types')) await writeRouteTree();
else {
  await build({ configFile: join(dashboard, 'vite.config.ts'), logLevel: 'warn' });
  await compressAll();
}

/** `paths` and `components` of the API, from the document that a test compares with the code. */
async function writeApiTypes() {
  const document = new URL('../docs/openapi.json', import.meta.url);
  const types = astToString(await openapiTs(document, { alphabetize: false, emptyObjectsUnknown: true }));
  await replace(
    join(dashboard, 'src/api/schema.gen.ts'),
    `// Made from docs/openapi.json by scripts/build-dashboard.mjs.\n${types}`,
  );
}

async function writeRouteTree() {
  const config = getConfig(ROUTES, dashboard);
  await new Generator({ config, root: dashboard }).run();
}

/** Leaves a file alone that says the same already: its time tells compilers that it changed. */
async function replace(file, content) {
  const present = await readFile(file, 'utf8').catch(() => undefined);
  if (present !== content) await writeFile(file, content);
}

async function compressAll() {
  const folder = join(out, 'assets');
  const files = (await readdir(folder)).filter((name) => /\.(js|css|svg|json)$/.test(name));
  for (const name of files) {
    const file = join(folder, name);
    if ((await stat(file)).size < WORTH_COMPRESSING) continue;
    const content = await readFile(file);
    const params = { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
    await writeFile(`${file}.br`, await promisify(brotliCompress)(content, { params }));
    await writeFile(`${file}.gz`, await promisify(gzip)(content, { level: 9 }));
  }
}

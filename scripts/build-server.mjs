// Puts what `nest build` made, and the packages that it uses, into few files: reading three thousand of them is most of a start (docs/adr/0105).
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'dist', 'server');
const making = join(root, 'dist', '.server');

await rm(making, { recursive: true, force: true });
const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: ['dist/src/main.js', 'dist/src/admin.js'],
  outdir: making,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  // Nest says classes by their names, and TypeORM tables.
  keepNames: true,
  write: false,
  legalComments: 'linked',
  logLevel: 'error',
  // Compiled for the machine; and what mapped types of Nest ask Node for, which must be what all others have.
  external: ['bcrypt', 'class-transformer', 'class-validator'],
  plugins: [
    { name: 'absent-packages', setup: absentPackages },
    { name: 'own-places', setup: ownPlaces },
  ],
  banner: {
    js: `import { createRequire as gatehouseCreateRequire } from 'node:module';
import { fileURLToPath as gatehouseFileURLToPath } from 'node:url';
const require = gatehouseCreateRequire(import.meta.url);
const gatehouseFunction = (it) => it;
const gatehouseFile = (at) => gatehouseFileURLToPath(new URL(at, import.meta.url));`,
  },
});
await mkdir(making, { recursive: true });
for (const { path, text } of outputFiles) await writeFile(path, namesOfClassesAlone(text));
await rm(out, { recursive: true, force: true });
await rename(making, out);

/** Drivers and plugins that packages ask for when they are used, and that are not installed: asked for, they are missing as they were before. */
function absentPackages({ onResolve, resolve }) {
  const asked = Symbol('asked');
  onResolve({ filter: /^[^./#]/ }, async ({ path, pluginData, ...rest }) => {
    if (pluginData === asked) return undefined;
    const { errors } = await resolve(path, { ...rest, pluginData: asked });
    return errors.length > 0 ? { path, external: true } : undefined;
  });
}

/** A file that looks for others beside itself finds them where it was. */
function ownPlaces({ onLoad }) {
  onLoad({ filter: /\.[cm]?js$/ }, async ({ path }) => {
    const text = await readFile(path, 'utf8');
    const place = JSON.stringify(relative(out, path));
    if (/\bimport\.meta\.url\b/.test(text))
      return { contents: text.replace(/\bimport\.meta\.url\b/g, `new URL(${place}, import.meta.url).href`) };
    if (/\b__(?:dir|file)name\b/.test(text) && !/\b(?:const|let|var) __(?:dir|file)name\b/.test(text))
      return {
        contents: `var __filename = gatehouseFile(${place}), __dirname = require('node:path').dirname(__filename);\n${text}`,
      };
    return undefined;
  });
}

/** Names are given to functions each time one is made, which took a fifth of a request to the edge. */
function namesOfClassesAlone(text) {
  return text
    .replace(/\/\* @__PURE__ \*\/ __name\((?!class\b)/g, 'gatehouseFunction(')
    .replace(/^\s*__name\([\w$]+, "[^"]*"\);\n/gm, '');
}

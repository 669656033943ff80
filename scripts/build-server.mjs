// Puts what `nest build` made, and the packages that it uses, into few files: reading three thousand of them is most of a start (docs/adr/0105).
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import ts from 'typescript';
import { loadBundle } from '../dist/src/bundle.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'dist', 'server');
const making = join(root, 'dist', '.server');

await rm(making, { recursive: true, force: true });
const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: { main: 'dist/src/server.js', admin: 'dist/src/administer.js' },
  outExtension: { '.js': '.cjs' },
  outdir: making,
  bundle: true,
  // A script, which V8 keeps what it compiled of.
  format: 'cjs',
  platform: 'node',
  target: 'node20.19',
  // Nest says classes by their names, and TypeORM tables.
  keepNames: true,
  write: false,
  legalComments: 'linked',
  logLevel: 'error',
  // Compiled for the machine.
  external: ['bcrypt'],
  plugins: [
    { name: 'absent-packages', setup: absentPackages },
    { name: 'own-places', setup: ownPlaces },
  ],
  banner: {
    js: `const gatehouseHere = require('node:url').pathToFileURL(__filename);
const gatehouseFile = (at) => require('node:url').fileURLToPath(new URL(at, gatehouseHere));`,
  },
});
await mkdir(making, { recursive: true });
for (const { path, text } of outputFiles) {
  await writeFile(path, path.endsWith('.cjs') ? inAscii(namesOfClassesAlone(text)) : text);
  if (path.endsWith('.cjs')) await makeProgram(path);
}
await rm(out, { recursive: true, force: true });
await rename(making, out);

/** Beside a bundle: what V8 compiled of it when its modules ran, and the program that runs it. */
async function makeProgram(bundle) {
  const { script, cacheFile } = loadBundle(bundle, join(out, basename(bundle)));
  await writeFile(cacheFile, script.createCachedData());
  await writeFile(
    bundle.replace(/\.cjs$/, '.js'),
    `import { fileURLToPath } from 'node:url';
import { loadBundle } from '../src/bundle.js';

await loadBundle(fileURLToPath(new URL('./${basename(bundle)}', import.meta.url))).exports.run();
`,
  );
}

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
    const source = await readFile(path, 'utf8');
    // Asked of Node at run time, a package would be another one than the bundle's: mapped types of Nest ask for class-validator so.
    const text = path.includes('@nestjs/mapped-types')
      ? source.replace('const require = createRequire(import.meta.url);', '')
      : source;
    const place = JSON.stringify(relative(out, path));
    if (/\bimport\.meta\.url\b/.test(text))
      return { contents: text.replace(/\bimport\.meta\.url\b/g, `new URL(${place}, gatehouseHere).href`) };
    if (/\b__(?:dir|file)name\b/.test(text) && !/\b(?:const|let|var) __(?:dir|file)name\b/.test(text))
      return {
        contents: `var __filename = gatehouseFile(${place}), __dirname = require('node:path').dirname(__filename);\n${text}`,
      };
    return text === source ? undefined : { contents: text };
  });
}

/** One byte for a character: V8 then keeps the text in half the space. What is not ASCII stands in strings, patterns and comments. */
function inAscii(text) {
  return text.replace(/[^\x00-\x7f]/g, (it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** esbuild's `keepNames` names functions too, each time one is made, which took a tenth of what a request to the edge takes. */
function namesOfClassesAlone(text) {
  const file = ts.createSourceFile('bundle.cjs', text, ts.ScriptTarget.ESNext, false, ts.ScriptKind.JS);
  let out = '';
  let at = 0;
  const replace = (from, to, by) => {
    out += text.slice(at, from) + by;
    at = to;
  };
  const look = (node) => {
    const named = namedFunction(node);
    // In parentheses, so that it is still one operand, and is named after what it is assigned to.
    if (named) replace(node.getStart(file), named.getStart(file), '(');
    ts.forEachChild(named ?? node, look);
    if (named) replace(named.end, node.end, ')');
  };
  look(file);
  return out + text.slice(at);
}

/** What `__name(it, "name")` names, unless that is a class. */
function namedFunction(node) {
  if (!ts.isCallExpression(node) || !ts.isIdentifier(node.expression) || node.expression.text !== '__name') return;
  const [it] = node.arguments;
  return it && (ts.isFunctionLike(it) || ts.isIdentifier(it)) ? it : undefined;
}

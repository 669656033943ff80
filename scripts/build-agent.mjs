// Bundles the agent into one file that runs on a bare Node, with its hash and version beside it, for the server to serve.
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
// `node scripts/build-agent.mjs [folder]`
const out = process.argv[2] ?? join(root, 'dist', 'agent');
const name = 'gatehouse-agent.mjs';
const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));

/** Packages that the start of a program does without. */
const LAZY = ['yaml', 're2js', 'ws', 'https-proxy-agent'];
/** @type {import('esbuild').BuildOptions & { write: false }} */
const options = {
  absWorkingDir: root,
  bundle: true,
  write: false,
  platform: 'node',
  target: 'node20.19',
  minify: true,
  legalComments: 'inline',
  // Optional natives and niceties that their users do without; a bundle has no place for them.
  external: ['bufferutil', 'utf-8-validate', 'supports-color'],
  logLevel: 'warning',
};
const { outputFiles } = await build({
  ...options,
  entryPoints: ['libs/agent/src/cli/main.ts'],
  outfile: `dist/agent/${name}`,
  format: 'esm',
  plugins: [{ name: 'lazy-packages', setup: lazyPackages }],
  conditions: ['gatehouse-source'],
  define: { GATEHOUSE_AGENT_VERSION: JSON.stringify(version) },
  banner: {
    js: `#!/usr/bin/env node\n// gatehouse-agent ${version}, Apache-2.0; contains commander, ws, https-proxy-agent, agent-base, debug, ms, jose, re2js and validator, all MIT, and yaml, ISC\nimport { createRequire as gatehouseCreateRequire } from 'node:module';\nconst require = gatehouseCreateRequire(import.meta.url);`,
  },
});
const bundle = outputFiles[0]?.contents;
if (!bundle) throw new Error('esbuild made no file');
const sha256 = createHash('sha256').update(bundle).digest('hex');

await mkdir(out, { recursive: true });
await replace(name, bundle);
await replace(`${name}.sha256`, `${sha256}  ${name}\n`);
await replace('version.json', `${JSON.stringify({ version, sha256, bytes: bundle.length }, null, 2)}\n`);
await copyFile(join(root, 'libs/agent/install.sh'), join(out, 'install.sh'));
await chmod(join(out, name), 0o755);

/** A server that serves the file while it is built again sees the old or the new one. */
async function replace(file, content) {
  const temporary = join(out, `.${file}.${process.pid}`);
  await writeFile(temporary, content);
  await rename(temporary, join(out, file));
}

/**
 * The packages of LAZY, each as a module with the same exports, which compiles its text when one of them is read (docs/adr/0056-packages-as-text.md).
 * They are to be imported by name: a default import would be the module.
 * @param {import('esbuild').PluginBuild} main
 */
function lazyPackages({ onResolve, onLoad }) {
  const namespace = 'lazy';
  onResolve({ filter: new RegExp(`^(${LAZY.join('|')})$`) }, ({ path }) => ({ path, namespace }));
  onLoad({ filter: /^/, namespace }, async ({ path }) => {
    const whole = await build({
      ...options,
      stdin: { contents: `module.exports = require('${path}')`, resolveDir: root },
      format: 'cjs',
    });
    const names = Object.keys(await import(path)).filter((name) => /^\w+$/.test(name) && name !== 'default');
    return {
      contents: `
        let loaded;
        function load() {
          if (loaded === undefined) {
            const compile = require('node:vm').compileFunction;
            const module = { exports: {} };
            compile(${JSON.stringify(whole.outputFiles[0]?.text)}, ['module', 'require'], { filename: '${path}' })(module, require);
            loaded = module.exports;
          }
          return loaded;
        }
        module.exports = {${names.map((name) => `get ${name}() { return load().${name}; }`).join()}};`,
    };
  });
}

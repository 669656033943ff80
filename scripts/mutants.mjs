// Breaks each rule of the claims and of credentials on purpose, one small patch each, and shows which test fails; fails if the suite stays green.
//   npm run mutants [-- PATTERN]     PATTERN: only rules whose text contains it
// Works on a copy of the clone in a temporary folder; the clone itself is never touched.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { mutants } from '../test/mutants/mutants.mjs';

const clone = fileURLToPath(new URL('..', import.meta.url));
const wanted = process.argv[2] ?? '';
const copy = mkdtempSync(join(tmpdir(), 'gatehouse-mutants-'));
chmodSync(copy, 0o711);
process.once('exit', () => rmSync(copy, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

const build = spawnSync(process.execPath, ['scripts/build.mjs'], { cwd: clone, stdio: 'inherit' });
if (build.status !== 0) process.exit(1);
for (const entry of [
  'src',
  'libs',
  'test',
  'dist',
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
  '.env.example',
]) {
  cpSync(join(clone, entry), join(copy, entry), { recursive: true, filter: (path) => !path.includes('node_modules') });
}
// Some tests wait for what a mutant keeps from happening; they have as long as a busy machine needs.
const waits = join(copy, 'test/support/server.ts');
writeFileSync(waits, readFileSync(waits, 'utf8').replace('BUDGET_MS = 300_000', 'BUDGET_MS = 40_000'));
symlinkSync(join(clone, 'node_modules'), join(copy, 'node_modules'));
const { compilerOptions } = ts.readConfigFile(join(clone, 'tsconfig.json'), ts.sys.readFile).config;
// A lone file has no package.json that would make it a module.
const options = { ...ts.convertCompilerOptionsFromJson(compilerOptions, clone).options, module: ts.ModuleKind.ESNext };

/** Writes one source file and its built counterpart. */
function install(file, source) {
  writeFileSync(join(copy, file), source);
  const { outputText } = ts.transpileModule(source, { compilerOptions: options, fileName: join(copy, file) });
  writeFileSync(join(copy, 'dist', file.replace(/\.ts$/, '.js')), outputText);
}

function failingTests(test, name) {
  const report = join(copy, 'report.json');
  rmSync(report, { force: true });
  const args = [
    'node_modules/vitest/vitest.mjs',
    'run',
    test,
    ...(name ? ['-t', name] : []),
    '--reporter=json',
    `--outputFile=${report}`,
  ];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: copy, encoding: 'utf8' });
  if (!existsSync(report)) throw new Error(`vitest gave no report:\n${stdout}${stderr}`);
  const result = JSON.parse(readFileSync(report, 'utf8'));
  const tests = result.testResults.flatMap((f) => f.assertionResults);
  const broken = result.testResults.find((f) =>
    f.assertionResults.every((t) => t.status === 'pending' || t.status === 'skipped'),
  );
  if (broken) throw new Error(`no test ran: ${broken.message}`);
  return {
    ran: tests.filter((t) => t.status !== 'pending' && t.status !== 'skipped').length,
    failed: tests.filter((t) => t.status === 'failed').map((t) => t.fullName),
  };
}

const survivors = [];
for (const { rule, file, find, replace, test, name } of mutants.filter((m) => m.rule.includes(wanted))) {
  const source = readFileSync(join(clone, file), 'utf8');
  if (source.split(find).length !== 2) {
    survivors.push(rule);
    console.log(`LOST      ${rule}: its patch fits ${source.split(find).length - 1} places of ${file}, not one`);
    continue;
  }
  install(
    file,
    source.replace(find, () => replace),
  );
  const { ran, failed } = failingTests(test, name);
  install(file, source);
  if (failed.length > 0) console.log(`killed    ${rule}\n          by ${failed[0]}`);
  else {
    survivors.push(rule);
    console.log(`SURVIVED  ${rule}: ${ran} tests of ${test} stayed green`);
  }
}
console.log(
  survivors.length === 0 ? '\nEvery mutant was killed.' : `\n${survivors.length} survived: ${survivors.join('; ')}`,
);
process.exit(survivors.length === 0 ? 0 : 1);

import { lstatSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lastReport, statusPath, writeStatus } from './status-file.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-status-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it.runIf(process.platform !== 'win32')('writes the report through no link that was put in its way', () => {
  const configFile = join(folder, 'config.json');
  const other = join(folder, 'other');
  writeFileSync(other, 'of somebody else');
  symlinkSync(other, `${statusPath(configFile)}.7.tmp`);
  writeStatus(configFile, { pid: 7, phase: 'starting', updatedAt: '2026-01-01T00:00:00.000Z' });
  expect(readFileSync(other, 'utf8')).toBe('of somebody else');
  expect(lstatSync(statusPath(configFile)).isSymbolicLink()).toBe(false);
  expect(lastReport(configFile)).toMatchObject({ pid: 7 });
});

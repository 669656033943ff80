import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Log } from '../log.js';
import { HealthFile } from './health-file.js';

let folder: string;
let lines: string[];
const path = () => join(folder, 'healthy');
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-health-'));
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the health file', () => {
  it('is written, renewed and removed', () => {
    const health = new HealthFile(path(), new Log((line) => lines.push(line)));
    health.mark();
    expect(readFileSync(path(), 'utf8')).toBe('ok');
    health.remove();
    health.renew();
    expect(readFileSync(path(), 'utf8')).toBe('ok');
    expect(lines).toEqual([]);
  });

  it.runIf(process.platform !== 'win32')('is not written through a link that was put in its place', () => {
    const other = join(folder, 'other');
    writeFileSync(other, 'of somebody else');
    const health = new HealthFile(path(), new Log((line) => lines.push(line)));
    symlinkSync(other, path());
    health.mark();
    expect(readFileSync(other, 'utf8')).toBe('of somebody else');
    expect(lines.join('')).toContain('cannot be written');
  });
});

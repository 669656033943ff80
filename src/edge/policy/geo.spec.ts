import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mmdbOf } from '../../../test/support/mmdb.js';
import { GeoDatabases } from './geo.js';

const COUNTRIES = {
  '192.0.2.0/24': { country: { iso_code: 'DE' } },
  '2001:db8::/32': { country: { iso_code: 'FR' } },
  '198.51.100.0/24': {},
};

describe('where an address is', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'geo-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('is not known without a file', async () => {
    const geo = new GeoDatabases({});
    expect(await geo.refresh()).toBe(false);
    expect([geo.country('192.0.2.1'), geo.asn('192.0.2.1')]).toEqual([undefined, undefined]);
  });

  it('is read from the file, and read again when that is another', async () => {
    const [countries, networks, next] = ['countries', 'networks', 'next'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(countries, mmdbOf(COUNTRIES));
    await writeFile(networks, mmdbOf({ '192.0.2.0/25': { autonomous_system_number: 64_500 } }));
    const geo = new GeoDatabases({ countries, networks });
    expect(await geo.refresh()).toBe(true);
    expect(['192.0.2.1', '2001:db8::1', '203.0.113.1', '198.51.100.1'].map((a) => geo.country(a))).toEqual([
      'DE',
      'FR',
      undefined,
      undefined,
    ]);
    expect(['192.0.2.1', '192.0.2.200'].map((a) => geo.asn(a))).toEqual([64_500, undefined]);
    expect(await geo.refresh()).toBe(false);

    await writeFile(next, mmdbOf({ '192.0.2.0/24': { country: { iso_code: 'NL' } } }));
    await rename(next, countries);
    expect(await geo.refresh()).toBe(true);
    expect([geo.country('192.0.2.1'), geo.asn('192.0.2.1')]).toEqual(['NL', 64_500]);

    await writeFile(countries, 'half a file');
    await expect(geo.refresh()).rejects.toThrow();
    await rm(countries);
    await expect(geo.refresh()).rejects.toThrow(/ENOENT/);
    expect(geo.country('192.0.2.1')).toBe('NL');
  });
});

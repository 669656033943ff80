// The rules are those of docs/claims.md.
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { provision, register, type TestKey, TestOrg } from '../support/api.js';
import { until } from '../support/server.js';
import { openTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let org: TestOrg;
let key: TestKey;
beforeAll(async () => {
  app = await openTestApp();
  org = await TestOrg.create(app.root);
  key = await org.keyUnder({ hardwareIdForm: 'mac' });
});
afterAll(() => app?.close());

let drawn = 0;
/** A MAC address that no other test has, in bytes. */
const newMac = () => ['02', '00', '5e', '00', '00', (drawn++).toString(16).padStart(2, '0')];
const spellings = (mac: string[]) => [
  mac.join(':'),
  mac.join('-').toUpperCase(),
  mac.join(''),
  `${mac.slice(0, 2).join('')}.${mac.slice(2, 4).join('')}.${mac.slice(4).join('')}`.toUpperCase(),
];
const claim = (hardware_id: string, by = key) =>
  provision(app.root.url, { provision_key: by.siteProvisioningKey, hardware_id });

interface Claim {
  outcome: string;
  hardwareId: string;
  sentHardwareId: string | null;
  count: number;
}
const claimsOf = async (filter: string) =>
  (await app.root.expect<{ claims: Claim[] }>('GET', org.path(`claims?hardwareId=${encodeURIComponent(filter)}`)))
    .claims;

describe('rule 33: the form of hardware ids', () => {
  it('one MAC address is one device in every spelling; the site has the normal form, the claim what was sent', async () => {
    const mac = newMac();
    const [colons, dashes, plain, dots] = spellings(mac) as [string, string, string, string];
    const first = await claim(dashes);
    expect(first.status).toBe(201);
    for (const again of [colons, plain, dots, dashes])
      expect(await claim(again)).toMatchObject({ status: 200, body: { device_id: first.body.device_id, api_key: '' } });
    const newt = await register(app.root.url, { provisioningKey: key.siteProvisioningKey, hardwareId: plain });
    expect([newt.status, newt.body.data.secret]).toEqual([200, '']);
    const { sites } = await org.sites(`&hardwareId=${encodeURIComponent(colons)}`);
    expect(sites).toHaveLength(1);
    expect(sites[0]).toMatchObject({ hardwareId: colons });
    for (const filter of [colons, dots])
      expect(await claimsOf(filter)).toEqual([
        expect.objectContaining({ outcome: 'recognised', hardwareId: colons, count: 5 }),
        expect.objectContaining({ outcome: 'created', hardwareId: colons, sentHardwareId: dashes, count: 1 }),
      ]);
  });

  it('claims of one address at the same moment make one site', async () => {
    const [colons, ...others] = spellings(newMac()) as [string, ...string[]];
    const replies = await Promise.all([colons, ...others, ...others].map((id) => claim(id)));
    expect(new Set(replies.map((r) => r.body.device_id)).size).toBe(1);
    expect(replies.filter((r) => r.status === 201)).toHaveLength(1);
  });

  it('what is no MAC address is compared byte for byte, and so is everything under a template without the form', async () => {
    const serial = `SN-${drawn++}`;
    const [one, two] = [await claim(serial), await claim(serial.toLowerCase())];
    expect([one.status, two.status]).toEqual([201, 201]);
    const plain = await org.keyUnder({});
    const [a, b] = spellings(newMac()) as [string, string];
    expect([(await claim(a, plain)).status, (await claim(b, plain)).status]).toEqual([201, 201]);
    expect(await claimsOf(serial)).toEqual([expect.objectContaining({ hardwareId: serial, sentHardwareId: null })]);
  });

  it('the pattern is matched against the normal form', async () => {
    const patterned = await org.keyUnder({
      hardwareIdForm: 'mac',
      hardwareIdPattern: '02:00:5e:([0-9a-f]{2}:){2}[0-9a-f]{2}',
    });
    const [, dashes] = spellings(newMac()) as [string, string];
    expect((await claim(dashes, patterned)).status).toBe(201);
    expect((await claim('04-00-5E-00-00-01', patterned)).status).toBe(403);
    const refused = await until(async () => (await claimsOf('04:00:5e:00:00:01'))[0]);
    expect(refused).toMatchObject({ outcome: 'refused', sentHardwareId: '04-00-5E-00-00-01' });
  });

  it('a tombstone stands for every spelling, and an armed site is claimed again by any', async () => {
    const pending = await org.keyUnder({ hardwareIdForm: 'mac', approveNewSites: false });
    const [colons, dashes, plain] = spellings(newMac()) as [string, string, string];
    const siteId = async () => (await org.sites(`&hardwareId=${encodeURIComponent(colons)}`)).sites[0]!.siteId;
    expect((await claim(dashes, pending)).status).toBe(201);
    await app.root.expect('DELETE', `/site/${await siteId()}`);
    for (const id of [colons, dashes, plain]) expect((await claim(id, pending)).status).toBe(403);
    await app.root.expect('DELETE', org.path(`tombstone/${encodeURIComponent(colons)}`));
    const back = await claim(plain, pending);
    expect(back.status).toBe(201);
    await app.root.expect('POST', `/site/${await siteId()}/allow-reclaim`, { expiresInSeconds: 600 });
    expect(await claim(dashes, pending)).toMatchObject({ status: 201, body: { device_id: back.body.device_id } });
  });

  it('a device of before the template had the form keeps its site and its tombstone, by the spelling that it sends', async () => {
    const { templateId } = await org.template({ approveNewSites: false });
    const later = await org.key({ templateId });
    const [, dashes] = spellings(newMac()) as [string, string];
    const [, buried] = spellings(newMac()) as [string, string];
    const before = await claim(dashes, later);
    await claim(buried, later);
    const { sites } = await org.sites(`&hardwareId=${buried}`);
    await app.root.expect('DELETE', `/site/${sites[0]!.siteId}`);
    await app.root.expect('POST', org.path(`provisioning-template/${templateId}`), { hardwareIdForm: 'mac' });
    expect(await claim(dashes, later)).toMatchObject({ status: 200, body: { device_id: before.body.device_id } });
    expect((await claim(buried, later)).status).toBe(403);
  });

  it('a template says its form; none unless asked for, and no other than mac', async () => {
    const path = org.path('provisioning-template');
    const { templateId } = await org.template({});
    expect(await app.root.expect('GET', `${path}/${templateId}`)).toMatchObject({ hardwareIdForm: null });
    expect(await app.root.expect('POST', `${path}/${templateId}`, { hardwareIdForm: 'mac' })).toMatchObject({
      hardwareIdForm: 'mac',
    });
    const wrong = await app.root.post(`${path}/${templateId}`, { hardwareIdForm: 'MAC' });
    expect([wrong.status, wrong.text]).toEqual([400, expect.stringContaining('hardwareIdForm')]);
    expect(await app.root.expect('POST', `${path}/${templateId}`, { hardwareIdForm: null })).toMatchObject({
      hardwareIdForm: null,
    });
  });
});

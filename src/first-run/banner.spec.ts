import { describe, expect, it } from 'vitest';
import { type FirstSecrets, firstSecrets, type Place, setupLink, whereabouts } from './banner.js';

const place = (change: Partial<Place>): string =>
  whereabouts({
    version: '1.2.3',
    publicUrl: new URL('http://127.0.0.1:3000'),
    host: '127.0.0.1',
    port: 3000,
    publicUrlGiven: false,
    machineAddress: '192.0.2.7',
    dataDir: '/data',
    ...change,
  });

describe('the banner', () => {
  it('says that only this machine can reach it, and the two lines that change it', () => {
    const lines =
      'Only this machine can reach it. For others, put these two lines into .env and start it again:\n\nHOST=0.0.0.0\nPUBLIC_URL=http://192.0.2.7:3000\n';
    expect(place({})).toContain(lines);
    expect(place({ host: '::1', publicUrl: new URL('http://[::1]:3000') })).toContain(lines);
    expect(place({ machineAddress: undefined })).toContain('PUBLIC_URL=http://ADDRESS-OF-THIS-MACHINE:3000\n');
    expect(place({ publicUrl: new URL('https://127.0.0.1:3000') })).toContain('PUBLIC_URL=https://192.0.2.7:3000\n');
  });

  it('says what is missing where it listens to all and tells machines localhost', () => {
    const text = place({ host: '0.0.0.0', publicUrl: new URL('http://localhost:8080'), port: 8080 });
    expect(text).toContain('\n\nPUBLIC_URL=http://192.0.2.7:8080\n');
    expect(text).not.toContain('HOST=');
  });

  it('says nothing of it behind a proxy of this machine, or at an address of its own', () => {
    for (const text of [
      place({ publicUrl: new URL('https://gate.example.com'), publicUrlGiven: true }),
      place({ host: '192.0.2.7', publicUrl: new URL('http://192.0.2.7:3000') }),
    ])
      expect(text).not.toMatch(/HOST=|PUBLIC_URL=/);
  });

  it('leads to the dashboard, and to its set-up with the token where no browser sends it', () => {
    expect(place({ publicUrl: new URL('https://gate.example.com') })).toContain(
      '\n  Dashboard         https://gate.example.com/\n',
    );
    expect(setupLink(new URL('https://gate.example.com'), 'secret')).toContain(
      '\nhttps://gate.example.com/setup#token=secret\n',
    );
  });

  it('says where public resources are served, if they are', () => {
    expect(place({ edgePort: 8080 })).toContain('\n  Public resources  port 8080\n');
    expect(place({})).not.toContain('Public resources');
  });

  it('offers its enrol line to the machines that can use it', () => {
    const made = { provisioningKey: 'spk_x.y', trust: 'now.next', validUntil: new Date(0) } as FirstSecrets;
    expect(firstSecrets(made, new URL('http://localhost:3000'))).toContain('Enrol this machine, by this line');
    expect(firstSecrets(made, new URL('http://192.0.2.7:3000'))).toContain('Enrol a machine, by this line on it');
    expect(firstSecrets(made, new URL('http://192.0.2.7:3000'))).toContain(
      "'spk_x.y' | GATEHOUSE_TRUST_FINGERPRINT=now.next node",
    );
  });
});

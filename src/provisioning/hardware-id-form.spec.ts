import { describe, expect, it } from 'vitest';
import { inForm } from './hardware-id-form.js';

describe('the form of a hardware id', () => {
  it.each([
    'AA:BB:CC:00:11:22',
    'aa-bb-cc-00-11-22',
    'aabb.cc00.1122',
    'AABBCC-001122',
    'AABBCC001122',
    'aa bb cc 00 11 22',
    'aa_bb_cc_00_11_22',
    'aa:bb:cc:00:11:22',
  ])('mac: %s is one device', (spelling) => {
    expect(inForm('mac', spelling)).toBe('aa:bb:cc:00:11:22');
  });

  it('mac: takes addresses of eight bytes too', () => {
    expect(inForm('mac', '00-0D-6F-00-0A-90-69-E7')).toBe('00:0d:6f:00:0a:90:69:e7');
  });

  it.each([
    'SN-0042',
    'AA:BB:CC:00:11',
    'AA:BB:CC:00:11:22:33',
    'AA:BB:CC:00:11:2G',
    'MAC AA:BB:CC:00:11:22',
    'A1B2C3D4-0000-4000-8000-AABBCC001122',
    '::',
  ])('mac: %s is no MAC address and stays as it is', (other) => {
    expect(inForm('mac', other)).toBe(other);
  });

  it('none: changes nothing', () => {
    expect(inForm(null, 'AA:BB:CC:00:11:22')).toBe('AA:BB:CC:00:11:22');
  });
});

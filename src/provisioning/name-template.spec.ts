import { describe, expect, it } from 'vitest';
import { assertNameTemplate, renderName } from './name-template.js';

describe('name template', () => {
  const facts = { hardwareId: 'SN-1', deviceId: 'd', keyName: 'Line 4' };

  it('fills in what is known of the claim', () => {
    expect(renderName('{{keyName}} {{ hardwareId }}', facts)).toBe('Line 4 SN-1');
  });

  it('gives no name when a value is missing', () => {
    expect(renderName('edge-{{hardwareId}}', { ...facts, hardwareId: undefined })).toBeNull();
  });

  it('stays within 255 characters', () => {
    expect(renderName('{{hardwareId}}', { ...facts, hardwareId: 'x'.repeat(300) })).toHaveLength(255);
  });

  it('refuses an unknown placeholder by name', () => {
    expect(() => assertNameTemplate('{{serial}}')).toThrow(/serial/);
    expect(() => assertNameTemplate('edge-{{hardwareId}}')).not.toThrow();
  });
});

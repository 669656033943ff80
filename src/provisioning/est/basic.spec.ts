import { describe, expect, it } from 'vitest';
import { presentedBy } from './basic.js';

const basic = (text: string) => `Basic ${Buffer.from(text, 'latin1').toString('base64')}`;

describe('what an EST client presents', () => {
  it('is a hardware id up to the last colon, and a key', () => {
    expect(presentedBy(basic('00:1b:44:11:3a:b7:spk_a.b'))).toEqual({
      hardwareId: '00:1b:44:11:3a:b7',
      key: 'spk_a.b',
    });
    expect(presentedBy(basic('press 14:spk_a.b').replace('Basic', 'bAsIc '))).toEqual({
      hardwareId: 'press 14',
      key: 'spk_a.b',
    });
    expect(presentedBy(basic('press:'))).toEqual({ hardwareId: 'press', key: '' });
  });

  it('is nothing, or of no use', () => {
    expect(presentedBy(undefined)).toBeUndefined();
    for (const wrong of [
      '',
      'Basic',
      'Basic !',
      'Bearer abc',
      basic('no colon'),
      basic(':spk_a.b'),
      basic(`${'x'.repeat(129)}:k`),
      basic('a\nb:k'),
      basic('caf\xe9:k'),
      `Basic ${'A'.repeat(2000)}`,
    ])
      expect(presentedBy(wrong)).toBeNull();
  });
});

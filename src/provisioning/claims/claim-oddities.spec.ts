import { expect, it } from 'vitest';
import { odditiesOf } from './claim-oddities.js';

const nothing = { blockedBefore: new Set<string>(), networks: new Set<string>(), used: false };
const from = (address: string, name: string | null = null) => ({ name, devices: [], address });

it('the first site of a key comes from a new network and is not odd; the first from each other one is', () => {
  const batch = [
    '198.51.100.7',
    '198.51.100.200',
    '198.51.101.7',
    '2001:db8:1::1',
    '2001:db8:1:ffff::2',
    '2001:db8:2::1',
  ];
  expect(
    odditiesOf(
      batch.map((one) => from(one)),
      nothing,
    ),
  ).toEqual([[], [], ['new_network'], ['new_network'], [], ['new_network']]);
});

it('knows the networks of sites that the key made before', () => {
  const seen = { ...nothing, used: true, networks: new Set(['198.51.100.0/24', '2001:db8:1::/48']) };
  expect(odditiesOf([from('198.51.100.7'), from('2001:db8:1:2::3'), from('203.0.113.1')], seen)).toEqual([
    [],
    [],
    ['new_network'],
  ]);
});

it('a name is odd from its second claim on; one that nobody chose never is', () => {
  const batch = [from('192.0.2.1', 'press'), from('192.0.2.2', 'press'), from('192.0.2.3'), from('192.0.2.4')];
  expect(odditiesOf(batch, nothing)).toEqual([[], ['name_taken'], [], []]);
});

it('a device that was blocked is odd by whichever of its names', () => {
  const seen = { ...nothing, blockedBefore: new Set(['AA-BB']) };
  expect(odditiesOf([{ name: null, devices: ['aa:bb', 'AA-BB'], address: '192.0.2.1' }], seen)).toEqual([
    ['hardware_id_blocked_before'],
  ]);
});

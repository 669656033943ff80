/** Names as fleets have them: other scripts, from right to left, and longer than any column. */
const PLACES = [
  'Presse 14, Halle B',
  'Förderband Nordtor',
  'Kühlhaus Übergabe Süd',
  'Лифт №3, южный корпус',
  '東京倉庫 ゲート 7',
  'محطة الضخ ٤',
  'בקר חדר קירור',
  'Κλιματισμός υπογείου',
  '서울 물류센터',
  'Estação elevatória São José',
  'Łódź – rozdzielnia główna',
  'Þjónustuskápur Keflavík',
  'बिजली उपकेंद्र पुणे',
  'สถานีชาร์จ เชียงใหม่',
  'Kiosk Bahnhofstraße',
  'Charging point A9 km 412',
  'Gateway roof west',
  'Weather mast',
  'Pump house 2',
  'Camera bridge, lock 5',
];
const LONG =
  'Übergabestation Donaudampfschifffahrtsgesellschaft, Wartungsgebäude Süd, Schaltschrank 0417-B, Einschub 3 (Ersatzgerät)';

/** @returns the name of the n-th machine */
export const machineName = (n: number): string =>
  n === 3 ? LONG : `${PLACES[n % PLACES.length]} ${String(n).padStart(3, '0')}`;

/** @returns the hardware id of the n-th machine: of a board, of a network card, of a TPM */
export function hardwareId(n: number): string {
  const hex = (n * 2_654_435_761).toString(16).padStart(12, '0').slice(-12);
  if (n % 3 === 0) return `SN-2024-${String(n).padStart(5, '0')}`;
  if (n % 3 === 1) return hex.replace(/(..)(?!$)/g, '$1:');
  return `tpm-${hex.repeat(4)}`;
}

export const GROUPS = [
  ['Halle B', 'Presses and conveyors of hall B'],
  ['Außenstationen', 'Everything that stands outside'],
  ['冷蔵倉庫', ''],
  ['Pilot', 'Gets new versions first'],
  ['Night shift, building services and everything else that is only looked at between ten in the evening and six', ''],
] as const;

export const PEOPLE = [
  'schichtleitung.halle-b@nordwerk.example.com',
  'bereitschaft@nordwerk.example.com',
  'revision@nordwerk.example.com',
  'leitstand-sued-ausserhalb-der-regulaeren-betriebszeiten@nordwerk.example.com',
  'integrator@partner.example.net',
  'werkstatt@nordwerk.example.com',
] as const;

export const RESOURCES = [
  'Leitstand',
  'Presse 14 – HMI',
  'Grafana Halle B',
  '冷蔵倉庫 モニター',
  'Wartungszugang der Übergabestation Donaudampfschifffahrtsgesellschaft, Gebäude Süd',
  'Ladepunkte',
  'Kamera Schleuse 5',
  'Zeiterfassung',
  'Ersatzteile',
  'Wetterdaten',
] as const;

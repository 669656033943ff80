import type { SealedColumn } from '#platform';

export const SEALED_PSKS: SealedColumn = {
  what: 'PSKs',
  table: 'site_credential',
  column: 'psk_encrypted',
  id: { sql: 'credential_id', type: 'bigint', first: '0' },
  name: 'psk_identity',
  about: `'psk:' || psk_identity`,
};

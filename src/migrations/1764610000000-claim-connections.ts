import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which connection of a newt is the one of its claim, and what its documents said on it (docs/adr/0034). */
export class ClaimConnections1764610000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SCHEMA);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      'ALTER TABLE claim_window DROP COLUMN connected_at; ALTER TABLE blueprint_source DROP COLUMN claim_documents',
    );
  }
}

const SCHEMA = `
-- The first message over a session since the claim; null: the next session is the claim's.
ALTER TABLE claim_window ADD COLUMN connected_at timestamptz;
UPDATE claim_window SET connected_at = authenticated_at WHERE authenticated_at IS NOT NULL;
-- Of a newt, until a later session settles whose they were: the keys that each document of the claim's session named.
ALTER TABLE blueprint_source ADD COLUMN claim_documents jsonb;
-- Which documents there were is not known any more.
UPDATE blueprint_source SET claim_documents = '[]' WHERE kind = 'newt';
`;

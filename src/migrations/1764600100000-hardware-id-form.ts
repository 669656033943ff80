import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Templates that take one MAC address in any spelling for one hardware id; a claim keeps the spelling that was sent (docs/claims.md rule 33). */
export class HardwareIdForm1764600100000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE provisioning_template ADD COLUMN hardware_id_form text CHECK (hardware_id_form = 'mac');
      ALTER TABLE claim ADD COLUMN sent_hardware_id text`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE claim DROP COLUMN sent_hardware_id;
      ALTER TABLE provisioning_template DROP COLUMN hardware_id_form`);
  }
}

import { randomInt, X509Certificate } from 'node:crypto';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** An organization may have several certificate authorities, one of which issues (docs/credentials.md §7). */
export class DeviceAuthorities1764909100000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(SCHEMA);
    await moveAuthorities(runner);
    await runner.query(
      'ALTER TABLE org DROP COLUMN ca_certificate, DROP COLUMN ca_key_id, DROP COLUMN ca_key_encrypted',
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE org ADD COLUMN ca_certificate text, ADD COLUMN ca_key_encrypted bytea,
        ADD COLUMN ca_key_id bytea GENERATED ALWAYS AS (substring(ca_key_encrypted from 1 for 4)) STORED REFERENCES master_key;
      UPDATE org o SET ca_certificate = a.certificate, ca_key_encrypted = a.key_encrypted FROM device_ca a WHERE a.org_uid = o.org_uid AND a.trusted_until IS NULL;
      DROP INDEX site_credential_ca;
      DROP TABLE device_ca`);
  }
}

const SCHEMA = `
CREATE TABLE device_ca (
  -- also in its subject, which servers show to strangers: it tells nothing of the organization
  ca_id text PRIMARY KEY CHECK (ca_id ~ '^[a-z2-7]{16}$'),
  org_uid uuid NOT NULL REFERENCES org (org_uid) ON DELETE CASCADE,
  certificate text NOT NULL,
  -- sealed for 'ca:<id of the organization>'
  key_encrypted bytea NOT NULL,
  master_key_id bytea NOT NULL GENERATED ALWAYS AS (substring(key_encrypted from 1 for 4)) STORED REFERENCES master_key,
  -- null: it is the one that issues. A former one: until when its certificates are believed
  trusted_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX device_ca_current ON device_ca (org_uid) WHERE trusted_until IS NULL;
CREATE INDEX device_ca_org ON device_ca (org_uid, created_at);
CREATE INDEX site_credential_ca ON site_credential (ca_id, site_id) WHERE ca_id IS NOT NULL AND revoked_at IS NULL`;

/** Earlier versions had one for each organization, and all certificates of its devices are from it. */
async function moveAuthorities(runner: QueryRunner): Promise<void> {
  const rows = (await runner.query(
    'SELECT org_uid AS "orgUid", ca_certificate AS certificate FROM org WHERE ca_certificate IS NOT NULL AND ca_key_encrypted IS NOT NULL',
  )) as { orgUid: string; certificate: string }[];
  await runner.query(
    `WITH moved AS (
       INSERT INTO device_ca (ca_id, org_uid, certificate, key_encrypted)
       SELECT m."caId", o.org_uid, o.ca_certificate, o.ca_key_encrypted
       FROM jsonb_to_recordset($1::jsonb) AS m("orgUid" uuid, "caId" text) JOIN org o ON o.org_uid = m."orgUid" RETURNING ca_id, org_uid)
     UPDATE site_credential c SET ca_id = moved.ca_id FROM moved JOIN org o USING (org_uid) WHERE c.kind = 'certificate' AND c.org_id = o.org_id`,
    [JSON.stringify(rows.map(({ orgUid, certificate }) => ({ orgUid, caId: idOf(certificate) })))],
  );
}

/** The id in its subject, where it has one of this form. */
function idOf(certificate: string): string {
  const named = /^CN=Gatehouse device CA ([a-z2-7]{16})$/.exec(new X509Certificate(certificate).subject)?.[1];
  return named ?? Array.from({ length: 16 }, () => 'abcdefghijklmnopqrstuvwxyz234567'[randomInt(32)]).join('');
}

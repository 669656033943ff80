import { createHash, X509Certificate } from 'node:crypto';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Rows that are read and written by one statement each while the columns of certificates are filled. */
const PAGE = 1_000;

/** Credentials end, are renewed and rotate; certificates and their public keys are found by hashes (docs/credentials.md). */
export class CredentialLife1764900000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- stage: a next one is stored beside the current one until it was proved, the current one then becomes a previous one, good until ends_at.
      -- renew_until: how long an expired one may still renew itself; null: it has no end.
      ALTER TABLE site_credential
        ADD COLUMN stage text NOT NULL DEFAULT 'current' CHECK (stage IN ('next', 'current', 'previous')),
        ADD COLUMN ends_at timestamptz,
        ADD COLUMN overlap_seconds int CHECK (overlap_seconds BETWEEN 0 AND 2592000),
        ADD COLUMN expires_at timestamptz,
        ADD COLUMN renew_until timestamptz,
        ADD COLUMN certificate_hash bytea,
        ADD COLUMN public_key_hash bytea,
        ADD COLUMN serial text,
        ADD COLUMN ca_id text,
        ADD CHECK ((stage = 'previous') = (ends_at IS NOT NULL)),
        ADD CHECK ((expires_at IS NULL) = (renew_until IS NULL));
      CREATE UNIQUE INDEX site_credential_certificate ON site_credential (certificate_hash) WHERE certificate_hash IS NOT NULL;
      CREATE INDEX site_credential_public_key ON site_credential (public_key_hash) WHERE public_key_hash IS NOT NULL;
      CREATE INDEX site_credential_next ON site_credential (site_id) WHERE stage = 'next' AND revoked_at IS NULL;

      ALTER TABLE provisioning_template
        ADD COLUMN credential_ttl_seconds int CHECK (credential_ttl_seconds BETWEEN 3600 AND 315360000),
        ADD COLUMN renew_grace_seconds int NOT NULL DEFAULT 2592000 CHECK (renew_grace_seconds BETWEEN 0 AND 31536000),
        ADD COLUMN on_reuse text NOT NULL DEFAULT 'alert' CHECK (on_reuse IN ('alert', 'suspend'));

      -- sites that are to take another credential; the row is gone once they have proved it
      CREATE TABLE credential_rotation (
        site_id bigint PRIMARY KEY REFERENCES site ON DELETE CASCADE,
        org_id text NOT NULL,
        job_id bigint,
        overlap_seconds int NOT NULL,
        requested_at timestamptz NOT NULL DEFAULT now(),
        offered_at timestamptz
      );
      CREATE INDEX credential_rotation_org ON credential_rotation (org_id, site_id);
      CREATE INDEX credential_rotation_job ON credential_rotation (job_id, site_id) WHERE job_id IS NOT NULL`);
    await fillCertificates(runner);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE credential_rotation;
      ALTER TABLE provisioning_template DROP COLUMN credential_ttl_seconds, DROP COLUMN renew_grace_seconds, DROP COLUMN on_reuse;
      ALTER TABLE site_credential DROP COLUMN stage, DROP COLUMN ends_at, DROP COLUMN overlap_seconds, DROP COLUMN expires_at, DROP COLUMN renew_until,
        DROP COLUMN certificate_hash, DROP COLUMN public_key_hash, DROP COLUMN serial, DROP COLUMN ca_id`);
  }
}

/** What earlier versions issued keeps the end that is written in it. */
async function fillCertificates(runner: QueryRunner): Promise<void> {
  for (let after = '0'; ; ) {
    const rows = (await runner.query(
      `SELECT credential_id AS id, certificate FROM site_credential WHERE kind = 'certificate' AND credential_id > $1 ORDER BY 1 LIMIT ${PAGE}`,
      [after],
    )) as { id: string; certificate: string }[];
    if (rows.length === 0) return;
    after = rows.at(-1)!.id;
    const read = rows.flatMap(({ id, certificate }) => factsOf(id, certificate));
    await runner.query(
      `UPDATE site_credential c SET certificate_hash = decode(f.hash, 'hex'), public_key_hash = decode(f.key, 'hex'), serial = f.serial,
         expires_at = f.expires, renew_until = f.expires + interval '30 days'
       FROM jsonb_to_recordset($1::jsonb) AS f(id bigint, hash text, key text, serial text, expires timestamptz) WHERE c.credential_id = f.id`,
      [JSON.stringify(read)],
    );
  }
}

/** Nothing of what is no certificate: it cannot have been used either. */
function factsOf(
  id: string,
  pem: string,
): { id: string; hash: string; key: string; serial: string; expires: string }[] {
  try {
    const certificate = new X509Certificate(pem);
    const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    return [
      {
        id,
        hash: sha256(certificate.raw),
        key: sha256(certificate.publicKey.export({ type: 'spki', format: 'der' })),
        serial: certificate.serialNumber.toLowerCase(),
        expires: new Date(certificate.validTo).toISOString(),
      },
    ];
  } catch {
    return [];
  }
}

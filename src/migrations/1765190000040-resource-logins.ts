import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who is let in to public resources (docs/edge-access.md). All of it goes with its resource. */
export class ResourceLogins1765190000040 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- What a visitor has shown once. Whether it still lets in is asked of the rows that it refers to.
      CREATE TABLE resource_session (
        session_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        resource_id bigint NOT NULL REFERENCES resource ON DELETE CASCADE,
        method text NOT NULL CHECK (method IN ('sso', 'password', 'pincode', 'whitelist', 'token')),
        -- sso
        login_session_id uuid REFERENCES user_session (session_id) ON DELETE CASCADE,
        -- password, pincode: SHA-256 of the hash that it was compared with
        secret bytea,
        -- whitelist
        email text,
        -- token
        access_token_id text REFERENCES access_token ON DELETE CASCADE,
        created_at timestamptz NOT NULL DEFAULT now(),
        last_used_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        CHECK (CASE method WHEN 'sso' THEN login_session_id IS NOT NULL WHEN 'whitelist' THEN email IS NOT NULL
          WHEN 'token' THEN access_token_id IS NOT NULL ELSE secret IS NOT NULL END)
      );
      CREATE INDEX resource_session_resource ON resource_session (resource_id);
      CREATE INDEX resource_session_login ON resource_session (login_session_id) WHERE login_session_id IS NOT NULL;
      CREATE INDEX resource_session_token ON resource_session (access_token_id) WHERE access_token_id IS NOT NULL;
      CREATE INDEX resource_session_expiry ON resource_session (expires_at);

      -- From a login at the dashboard to the resource that asked for it: once, within a minute.
      CREATE TABLE resource_login_code (
        code_hash bytea PRIMARY KEY,
        resource_id bigint NOT NULL REFERENCES resource ON DELETE CASCADE,
        login_session_id uuid NOT NULL REFERENCES user_session (session_id) ON DELETE CASCADE,
        origin text NOT NULL,
        state_hash bytea NOT NULL,
        return_path text NOT NULL,
        used_at timestamptz,
        expires_at timestamptz NOT NULL
      );
      CREATE INDEX resource_login_code_resource ON resource_login_code (resource_id);
      CREATE INDEX resource_login_code_login ON resource_login_code (login_session_id);
      CREATE INDEX resource_login_code_expiry ON resource_login_code (expires_at);

      -- Codes by mail. Rows stay for a day, to count how often an address is mailed to.
      CREATE TABLE resource_mail_code (
        code_id uuid PRIMARY KEY,
        resource_id bigint NOT NULL REFERENCES resource ON DELETE CASCADE,
        email text NOT NULL,
        -- HMAC under a key of the server: there are few codes
        code_mac bytea NOT NULL,
        tries int NOT NULL DEFAULT 0,
        used_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL
      );
      CREATE INDEX resource_mail_code_resource ON resource_mail_code (resource_id, email, created_at);
      CREATE INDEX resource_mail_code_email ON resource_mail_code (email, created_at);
      CREATE INDEX resource_mail_code_age ON resource_mail_code (created_at);

      -- Wrong PINs, passwords and codes of the present hour: of a resource, and of who tries.
      CREATE TABLE resource_guess (
        resource_id bigint NOT NULL REFERENCES resource ON DELETE CASCADE,
        bucket text NOT NULL,
        count int NOT NULL,
        ends_at timestamptz NOT NULL,
        PRIMARY KEY (resource_id, bucket)
      );
      CREATE INDEX resource_guess_end ON resource_guess (ends_at)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE resource_session, resource_login_code, resource_mail_code, resource_guess');
  }
}

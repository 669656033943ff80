import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which raw resource has a port that several organizations want, and which ports could not be opened (docs/adr/0100). */
export class RawPorts1765190000050 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE raw_port_error;
      DROP TRIGGER resource_port_taken ON resource;
      DROP FUNCTION resource_port_taken();
      DROP INDEX resource_raw_port;
      ALTER TABLE resource DROP COLUMN port_taken;
    `);
  }
}

const UP = `
-- Since when a raw resource has its port, in the order of resource ids; null: since it was made. Who came first has it.
ALTER TABLE resource ADD COLUMN port_taken bigint;
CREATE FUNCTION resource_port_taken() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.port_taken := nextval('resource_resource_id_seq');
  RETURN NEW;
END $$;
CREATE TRIGGER resource_port_taken BEFORE UPDATE OF proxy_port, staged_by ON resource FOR EACH ROW
  WHEN (NEW.proxy_port IS NOT NULL AND (NEW.proxy_port IS DISTINCT FROM OLD.proxy_port OR (OLD.staged_by IS NOT NULL AND NEW.staged_by IS NULL)))
  EXECUTE FUNCTION resource_port_taken();
CREATE INDEX resource_raw_port ON resource (protocol, proxy_port) WHERE NOT http AND staged_by IS NULL;

-- Beside the resource: it is no change of it.
CREATE TABLE raw_port_error (
  resource_id bigint NOT NULL REFERENCES resource ON DELETE CASCADE,
  server_id uuid NOT NULL REFERENCES server ON DELETE CASCADE,
  error text NOT NULL,
  PRIMARY KEY (resource_id, server_id)
);
CREATE INDEX raw_port_error_server ON raw_port_error (server_id);
`;

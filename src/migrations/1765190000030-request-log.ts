import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What came to public resources, who logged in there, and how much it was (docs/integration-api.md §3.23, docs/adr/0093). */
export class RequestLog1765190000030 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
-- Without foreign keys: a row is written after the answer, when what it names may be gone. The order of the primary key is that of every read.
CREATE TABLE request_log (
  request_log_id bigint GENERATED ALWAYS AS IDENTITY,
  org_uid uuid NOT NULL,
  at timestamptz NOT NULL,
  request_id text NOT NULL,
  resource_id bigint NOT NULL,
  site_id bigint,
  target_id bigint,
  host text NOT NULL,
  scheme text NOT NULL,
  method text NOT NULL,
  path text NOT NULL,
  query text,
  status smallint NOT NULL,
  code text,
  allowed boolean NOT NULL,
  reason smallint NOT NULL,
  rule_id bigint,
  authentication text,
  bytes_in bigint NOT NULL,
  bytes_out bigint NOT NULL,
  duration_ms int NOT NULL,
  address inet,
  user_id text,
  user_name text,
  user_agent text,
  tls boolean NOT NULL,
  country text,
  PRIMARY KEY (org_uid, at, request_log_id)
);
CREATE INDEX request_log_resource ON request_log (org_uid, resource_id, at, request_log_id);
CREATE INDEX request_log_request ON request_log (request_id);

CREATE TABLE access_log (
  access_log_id bigint GENERATED ALWAYS AS IDENTITY,
  org_uid uuid NOT NULL,
  at timestamptz NOT NULL,
  request_id text NOT NULL,
  resource_id bigint NOT NULL,
  type text NOT NULL,
  allowed boolean NOT NULL,
  user_id text,
  user_name text,
  address inet,
  user_agent text,
  country text,
  PRIMARY KEY (org_uid, at, access_log_id)
);

-- Sums, so that statistics read no requests. country is '' where it is not known; of raw resources there are bytes without requests.
CREATE TABLE traffic_hour (
  org_uid uuid NOT NULL,
  resource_id bigint NOT NULL,
  hour timestamptz NOT NULL,
  country text NOT NULL,
  requests bigint NOT NULL,
  blocked bigint NOT NULL,
  client_errors bigint NOT NULL,
  server_errors bigint NOT NULL,
  bytes_in bigint NOT NULL,
  bytes_out bigint NOT NULL,
  PRIMARY KEY (org_uid, resource_id, hour, country)
);
CREATE INDEX traffic_hour_hour ON traffic_hour (org_uid, hour)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE request_log, access_log, traffic_hour');
  }
}

import { IsString, MaxLength } from 'class-validator';
import { BodyExample } from '#platform';

/** A newt's credentials. */
@BodyExample({ newtId: 'ilfh03zf9t35yzk', secret: 'of-the-claim-0123456789abcdef0123456789abcdef01' })
export class NewtCredentials {
  /** Id of the newt, 15 of [a-z0-9]. */
  @IsString()
  @MaxLength(64)
  newtId: string;

  /** Its secret. */
  @IsString()
  @MaxLength(256)
  secret: string;
}

/** What begins a session. */
export class SessionToken {
  /** Goes to `GET /api/v1/ws`, as `Authorization: Bearer` or `token` in the query; good for five minutes. */
  token: string;

  /** Version of the protocol that newt agents ask for. */
  serverVersion: string;
}

/** A device's own view of its site. */
export class DeviceSelf {
  /** Identity of the device for ever, a UUID. */
  device_id: string;

  /** Number of the site. */
  site_id: number;

  /** Readable id of the site. */
  nice_id: string;

  /** Name of the site. */
  name: string;

  /** `pending` until an operator approves the site. */
  status: 'pending' | 'approved';

  /** Grows with every change of what the device is to do. */
  config_version: number;

  /** The configuration document; only once approved. */
  config?: Record<string, unknown>;
}

export class AgentVersion {
  version: string;
  /** SHA-256 of the program, hex. */
  sha256: string;
  bytes: number;
}

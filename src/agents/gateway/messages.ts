import {
  type ArgumentMetadata,
  type ArgumentsHost,
  Catch,
  createParamDecorator,
  type ExceptionFilter,
  type ExecutionContext,
  Injectable,
  Logger,
  type PipeTransform,
  type Type,
} from '@nestjs/common';
import {
  ArrayMaxSize,
  getMetadataStorage,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  registerDecorator,
  validateSync,
} from 'class-validator';
import { AGENT_LIMITS, type AgentHealthResult, type BundleKey, type TargetHealth } from '#contracts';
import { AppError, firstProblems, IsBundleKey, isUnstorable, unavailable } from '#platform';
import { type Incoming, MessageDispatch } from './message-dispatch.js';

const FACTS_LIMIT = 16 * 1024;

const incoming = (context: ExecutionContext) => context.switchToWs().getData<Incoming>();

/** Parameter: the session that sent the message. Custom, so that the pipe for HTTP bodies leaves it alone. */
export const From = createParamDecorator((_: unknown, context: ExecutionContext) => incoming(context).session);

const DataOf = createParamDecorator((_: unknown, context: ExecutionContext) => incoming(context).data);

/** What the class has rules for, as they are: nothing is transformed, since an agent sends JSON, and one that is newer sends fields of its own. */
const messageValidation: PipeTransform = {
  transform(data: unknown, { metatype }: ArgumentMetadata) {
    const type = metatype as Type<object>;
    const given = (typeof data === 'object' && data !== null ? data : {}) as Record<string, unknown>;
    const message = Object.create(type.prototype as object) as Record<string, unknown>;
    for (const { propertyName } of getMetadataStorage().getTargetValidationMetadatas(type, '', false, false)) {
      if (Object.hasOwn(given, propertyName)) message[propertyName] = given[propertyName];
    }
    const problems = validateSync(message, { stopAtFirstError: true }).flatMap(({ property, constraints }) =>
      Object.values(constraints ?? {}).map((problem) => ({ path: property, problem })),
    );
    if (problems.length > 0)
      throw new AppError(
        'validation',
        firstProblems(problems)
          .map(({ problem }) => problem)
          .join('; '),
      );
    return message;
  },
};
/** Parameter: the message's data, validated by its class; unknown fields are dropped. */
export const Data = () => DataOf(messageValidation);

const HEALTHS: readonly unknown[] = ['unknown', 'healthy', 'unhealthy'] satisfies TargetHealth[];

/** Results of health checks, of which an agent sends many: looked at by hand. */
function IsHealthResults(): PropertyDecorator {
  return (target, propertyName) =>
    registerDecorator({
      name: 'isHealthResults',
      target: target.constructor,
      propertyName: String(propertyName),
      validator: {
        validate: (value) =>
          Array.isArray(value) && value.length <= AGENT_LIMITS.healthResults && value.every(isHealthResult),
        defaultMessage: () =>
          `results must be a list of at most ${AGENT_LIMITS.healthResults}: targetId, revision, health, error`,
      },
    });
}

function isHealthResult(value: unknown): value is AgentHealthResult {
  const { targetId, revision, health, error } = (value ?? {}) as Record<string, unknown>;
  const isErrorText =
    error === undefined ||
    (typeof error === 'string' &&
      error.length <= AGENT_LIMITS.healthErrorLength &&
      !isUnstorable(JSON.stringify(error), error));
  return Number.isSafeInteger(targetId) && Number.isSafeInteger(revision) && HEALTHS.includes(health) && isErrorText;
}

/** A JSON object of bounded size. */
function IsFacts(): PropertyDecorator {
  return (target, propertyName) =>
    registerDecorator({
      name: 'isFacts',
      target: target.constructor,
      propertyName: String(propertyName),
      validator: {
        validate: isFacts,
        defaultMessage: () => `facts must be an object of at most ${FACTS_LIMIT} bytes`,
      },
    });
}

function isFacts(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const json = JSON.stringify(value);
  return json.length <= FACTS_LIMIT && !isUnstorable(json, value);
}

/** Text that PostgreSQL can hold. */
function IsText(max: number): PropertyDecorator {
  return (target, propertyName) => {
    IsString()(target, propertyName);
    MaxLength(max)(target, propertyName);
    registerDecorator({
      name: 'isText',
      target: target.constructor,
      propertyName: String(propertyName),
      validator: {
        validate: (value) => typeof value === 'string' && !value.includes('\0'),
        defaultMessage: () => `${String(propertyName)} must not contain NUL`,
      },
    });
  };
}

export class Hello {
  @IsInt() @Min(1) @Max(1_000_000) protocol: number;
  @IsText(100) version: string;
  @IsOptional() @IsArray() @ArrayMaxSize(100) @IsString({ each: true }) capabilities?: string[];
  @IsOptional() @IsFacts() facts?: Record<string, unknown>;
  @IsOptional() @IsBundleKey() bundleKey?: BundleKey;
}

export class AppliedMessage {
  @IsInt() @Min(0) @Max(Number.MAX_SAFE_INTEGER) version: number;
  @IsBoolean() ok: boolean;
  @IsOptional() @IsText(4000) error?: string;
}

export class Heartbeat {
  @IsInt() @Min(0) @Max(Number.MAX_SAFE_INTEGER) version: number;
}

export class HealthMessage {
  @IsHealthResults() results: AgentHealthResult[];
}

export class NewtPingRequest {
  @IsOptional() @IsText(100) chainId?: string;
}

export class NewtRegister {
  @IsOptional() @IsText(100) newtVersion?: string;
  @IsOptional() @IsBoolean() backwardsCompatible?: boolean;
}

export class NewtBlueprint {
  @IsString() blueprint: string;
}

export class NewtHealthStatus {
  @IsObject() targets: Record<string, unknown>;
}

export class NewtContainers {
  @IsOptional() @IsArray() containers?: unknown[] | null;
}

const BLUEPRINT_KINDS = ['file', 'bootstrap', 'labels'] as const;

const ACK_STATES = ['fetched', 'applied', 'failed'] as const;

export class BlueprintMessage {
  @IsText(100) id: string;
  @IsIn(BLUEPRINT_KINDS) kind: (typeof BLUEPRINT_KINDS)[number];
  @IsObject() document: Record<string, unknown>;
  @IsOptional() @IsArray() containers?: unknown[];
}

export class BundleMessage {
  @IsInt() @Min(1) @Max(Number.MAX_SAFE_INTEGER) version: number;
  @Matches(/^[\w-]{43}$/) digest: string;
  @IsIn(ACK_STATES) state: (typeof ACK_STATES)[number];
  @IsOptional() @IsText(4000) reason?: string;
}

export class LeaseMessage {
  @Matches(/^[\w-]{16,128}$/) nonce: string;
  @IsOptional() @IsText(64) prev?: string | null;
  @IsInt() @Min(0) @Max(Number.MAX_SAFE_INTEGER) ver: number;
}

/** Whatever a handler threw becomes one `error` message; the session goes on. */
@Catch()
@Injectable()
export class MessageErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger('Agents');

  catch(error: unknown, host: ArgumentsHost): void {
    const ws = host.switchToWs();
    const { session, type } = ws.getData<Incoming>();
    const known = error instanceof AppError;
    if (!known && !unavailable(error)) this.logger.error({ err: error, type }, 'A message could not be handled');
    ws.getClient<MessageDispatch>().bad(session, type, known ? error.message : 'An error occurred');
  }
}

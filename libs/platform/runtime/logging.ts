import type { Params } from 'nestjs-pino';

/** Shapes of secrets, wherever they turn up: provisioning keys, device keys, `<id>.<secret>` keys, session tokens in a query. */
const SECRET_SHAPES =
  /spk[-_][a-z0-9]{12,}\.[A-Za-z0-9]+|sk_live_[A-Za-z0-9_-]{20,}|\b[a-z0-9]{15}\.[a-z0-9]{32,}\b|([?&]token=)[^&\s"]+/g;

/** Replaces whatever has the shape of a secret. */
export const redact = (line: string): string =>
  line.replace(SECRET_SHAPES, (_m, token?: string) => `${token ?? ''}[redacted]`);

/** Nest's account of its own start, a line for every route: for those who debug. */
const NEST_ITSELF = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
  'WebSocketsController',
]);

/** Structured logs; secrets are removed by field and, in the finished line, by shape. */
export function loggerOptions(level: string): Params {
  return {
    // No logger per request: it would cost every request a child logger and a tenth of its time, and nothing asks for it.
    forRoutes: [],
    pinoHttp: {
      level,
      autoLogging: false,
      quietReqLogger: true,
      redact: {
        paths: [
          'req.headers.authorization',
          'req.headers.cookie',
          'req.headers["x-api-key"]',
          'req.headers["x-gatehouse-proxy"]',
          '*.secret',
          '*.password',
          '*.token',
          '*.provisioningKey',
          '*.provision_key',
          '*.psk',
          '*.api_key',
          '*.claim_nonce',
          '*.claimNonce',
        ],
        censor: '[redacted]',
      },
      hooks: {
        streamWrite: redact,
        logMethod(args, method, number) {
          const { context } = (args[0] ?? {}) as { context?: string };
          if (number > 30 || level === 'debug' || level === 'trace' || !NEST_ITSELF.has(context ?? ''))
            method.apply(this, args);
        },
      },
    },
  };
}

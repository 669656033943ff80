export const LOG_LEVELS = ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Writes lines `time LEVEL message`, with every known secret and everything shaped like a key masked. */
export class Log {
  private readonly hidden = new Set<string>();

  constructor(
    private readonly write: (line: string) => void,
    private threshold: LogLevel = 'INFO',
    private readonly now: () => number = Date.now,
  ) {}

  setLevel(level: LogLevel): void {
    this.threshold = level;
  }

  /** From now on this value appears in no line. */
  hide(secret: string): void {
    if (secret.length >= 4) this.hidden.add(secret);
  }

  debug(message: string): void {
    this.line('DEBUG', message);
  }

  info(message: string): void {
    this.line('INFO', message);
  }

  warn(message: string): void {
    this.line('WARN', message);
  }

  error(message: string): void {
    this.line('ERROR', message);
  }

  fatal(message: string): void {
    this.line('FATAL', message);
  }

  redact(message: string): string {
    let text = redactKeys(message);
    for (const secret of this.hidden) text = text.replaceAll(secret, '***');
    return text;
  }

  private line(level: LogLevel, message: string): void {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(this.threshold)) return;
    this.write(`${new Date(this.now()).toISOString()} ${level.padEnd(5)} ${onItsLines(this.redact(message))}\n`);
  }
}

/** Text of others is in messages: it begins no line that looks like one of the log, and controls no terminal. */
function onItsLines(message: string): string {
  return message
    .replace(/\n/g, '\n  ')
    .replace(
      /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g,
      (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`,
    );
}

/** Masks what is shaped like a provisioning key or a bearer token. */
export function redactKeys(text: string): string {
  return text
    .replace(/spk[_-][A-Za-z0-9]+\.[A-Za-z0-9_-]+/g, 'spk_***')
    .replace(/\b(Bearer|token=)\s*[A-Za-z0-9._~+/=-]+/gi, '$1 ***');
}

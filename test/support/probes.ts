import type { Api } from './api.js';
import { type Documented, send } from './operations.js';

const AT_ONCE = 6;

/** One request that a test made up, and what may be answered. */
export interface Probe {
  operation: Documented;
  api: Api;
  url: string;
  body?: string;
  /** What was done to it, for the report. */
  what: string;
  /** The field that must be named in a 400; absent: any answer but a failure of the server is right. */
  wrong?: string;
  /** Names nothing: must not succeed. */
  nowhere?: boolean;
}

/** Sends them all. @returns what was answered wrongly. */
export async function wrongAnswers(probes: Probe[]): Promise<string[]> {
  const problems: string[] = [];
  let next = 0;
  const lane = async () => {
    for (let i = next++; i < probes.length; i = next++) {
      const problem = await judge(probes[i]!);
      if (problem) problems.push(`${probes[i]!.operation.id} ${probes[i]!.what}: ${problem}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return problems;
}

async function judge({ operation, api, url, body, wrong, nowhere }: Probe): Promise<string | undefined> {
  const reply = await send(operation, api, url, body);
  const { status, body: answer } = reply;
  const got = `${status} ${reply.text.slice(0, 300)}`;
  // Requests of the same moment may stand in each other's way.
  if (
    status >= 500 &&
    !(status === 503 && ['capacity', 'database_busy'].includes((answer as { code?: string }).code ?? ''))
  )
    return got;
  // A path that reaches no route is 404 of no operation; a path parameter that is no text is 400.
  if (!operation.statuses.includes(status) && !(nowhere && [400, 404, 414].includes(status)))
    return `undocumented ${got}`;
  if (nowhere && status < 400) return `went somewhere: ${got}`;
  // "This id is free" is 404 and a success (docs/integration-api.md §3.1).
  const free = operation.id === 'checkOrgId' && status === 404 && wrong === undefined;
  if (status >= 400 && !free && !isDoor(operation, status) && !isEnvelope(answer, status)) return `no envelope: ${got}`;
  if (wrong === undefined) return undefined;
  if (status === 413) return undefined;
  if (status !== 400) return `should be 400: ${got}`;
  // In a query such a character is refused by the database, which does not say where it was.
  if (body === undefined && /character that cannot be stored/.test(reply.text)) return undefined;
  return answer.fields?.some(
    ({ path }) => path === wrong || path.startsWith(`${wrong}.`) || wrong.startsWith(`${path}.`),
  )
    ? undefined
    : `does not name ${wrong}: ${got}`;
}

/** A device's claim is refused in a shape of its own. */
const isDoor = (operation: Documented, status: number) =>
  operation.id === 'provisionDevice' && (status === 403 || status === 503);

/** Whether an answer is the envelope of a refusal with this status. */
export function isEnvelope(answer: unknown, status: number): boolean {
  const { success, error, data, message, code, ...rest } = answer as Record<string, unknown>;
  return (
    success === false &&
    error === true &&
    data === null &&
    typeof message === 'string' &&
    typeof code === 'string' &&
    rest['status'] === status
  );
}

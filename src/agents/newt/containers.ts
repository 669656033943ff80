import type { LabelledContainer } from '#blueprint';
import { AppError } from '#platform';

const PREFIX = 'pangolin.';
const MAX_CONTAINERS = 1000;
const MAX_NAME = 255;
/** As many bytes of labels as a document may have. */
const MAX_BYTES = 256 * 1024;

/**
 * The running containers that have labels of ours, in the form of Gatehouse's agent. @throws validation when it is no such list, or is too long
 */
export function agentContainers(value: unknown): LabelledContainer[] {
  return containersFrom(value, ({ name, hostname, labels, ports }) => ({ name, hostname, labels, ports }));
}

/** The same in newt's form (docs/newt.md §2.7); `null` is an empty list. @throws validation */
export function newtContainers(value: unknown): LabelledContainer[] {
  return containersFrom(value ?? [], ({ id, name, state, labels, ports }) =>
    state !== undefined && state !== 'running'
      ? undefined
      : {
          name: typeof name === 'string' ? name.replace(/^\//, '') : name,
          hostname: id,
          labels,
          // Go writes an empty list as null. The lowest port counts, as for our own agent.
          ports: Array.isArray(ports)
            ? ports
                .map((port) => (port as { privatePort?: unknown } | null)?.privatePort)
                .sort((a, b) => Number(a) - Number(b))
            : [],
        },
  );
}

type Said = Record<'name' | 'hostname' | 'labels' | 'ports', unknown>;

function containersFrom(
  value: unknown,
  said: (container: Record<string, unknown>) => Said | undefined,
): LabelledContainer[] {
  if (!Array.isArray(value) || value.length > MAX_CONTAINERS)
    throw wrong(`containers must be a list of at most ${MAX_CONTAINERS}`);
  const found = new Map<string, LabelledContainer>();
  let bytes = 0;
  for (const one of value as unknown[]) {
    const container = typeof one === 'object' && one !== null ? said(one as Record<string, unknown>) : undefined;
    if (!container) continue;
    const { name, hostname, labels, ports } = container;
    const own = Object.entries(typeof labels === 'object' && labels !== null ? labels : {}).filter(
      (entry): entry is [string, string] => entry[0].startsWith(PREFIX) && typeof entry[1] === 'string',
    );
    if (own.length === 0) continue;
    for (const [label, text] of own) bytes += Buffer.byteLength(label) + Buffer.byteLength(text);
    if (bytes > MAX_BYTES) throw wrong(`the labels of the containers must have at most ${MAX_BYTES} bytes`);
    // A container without a name is known by its id.
    const known = isName(name) ? name : hostname;
    if (!isName(known)) throw wrong('a container must have a name');
    found.set(known, {
      name: known,
      labels: Object.fromEntries(own),
      ports: Array.isArray(ports) ? ports.filter(isPort) : [],
    });
  }
  return [...found.values()];
}

const isName = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= MAX_NAME && !value.includes('\0');
const isPort = (value: unknown): value is number =>
  Number.isInteger(value) && Number(value) > 0 && Number(value) <= 65535;
const wrong = (message: string) => new AppError('validation', message);

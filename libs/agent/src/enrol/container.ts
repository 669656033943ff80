import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { resolveLinks } from '../config/atomic-file.js';

/** Signs of a container, as Docker, Podman, systemd, LXC and Kubernetes leave them. */
const MARKS = ['.dockerenv', 'run/.containerenv', 'run/systemd/container', 'var/run/secrets/kubernetes.io'];

/** @param root file system root, for tests */
export function isContainer(root: string): boolean {
  if (MARKS.some((mark) => existsSync(join(root, mark)))) return true;
  return /(^|\0)(container|KUBERNETES_SERVICE_HOST)=/.test(read(join(root, 'proc/1/environ')));
}

/**
 * What will become of a state file in a container: it is lost with the container unless it is in a volume.
 * @returns a sentence, or undefined outside of containers and in a volume that somebody named
 */
export function lossWithContainer(root: string, configFile: string): string | undefined {
  if (!isContainer(root)) return undefined;
  const folder = folderOf(configFile);
  const mount = mounts(root)
    .filter(({ point }) => point === '/' || folder === point || folder.startsWith(`${point}/`))
    .reduce<Mount | undefined>((best, one) => (best && best.point.length > one.point.length ? best : one), undefined);
  if (!mount) return undefined;
  const remedy = `mount a volume at ${mount.point === '/' ? folder : mount.point}`;
  if (mount.point === '/' || ['tmpfs', 'ramfs', 'overlay'].includes(mount.type))
    return `${folder} is in no volume: the identity of this site is lost with the container; ${remedy}`;
  if (mount.root.includes('/kubernetes.io~empty-dir/'))
    return `${folder} is in a volume of its pod: the identity of this site is lost with the pod; mount a persistent one`;
  // What an image declares as VOLUME and nobody mounts gets a volume named by 64 digits, another one for each new container.
  if (/\/volumes\/[0-9a-f]{64}\/_data$/.test(mount.root))
    return `${folder} is in a volume without a name, which a new container does not find again: ${remedy}, by a name`;
  return undefined;
}

type Mount = { root: string; point: string; type: string };

/** Of /proc/self/mountinfo, as proc(5) describes it. */
function mounts(root: string): Mount[] {
  return read(join(root, 'proc/self/mountinfo'))
    .split('\n')
    .flatMap((line) => {
      const [before = '', after = ''] = line.split(' - ');
      const [, , , of, point] = before.split(' ');
      return of === undefined || point === undefined
        ? []
        : [{ root: unescaped(of), point: unescaped(point), type: after.split(' ')[0] ?? '' }];
    });
}

function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function folderOf(configFile: string): string {
  try {
    return dirname(resolveLinks(configFile));
  } catch {
    return dirname(configFile);
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

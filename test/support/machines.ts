import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What a machine's kernel and system say of it, as files below a folder; undefined: it has none. */
export type MachineFacts = {
  machineId?: string;
  productUuid?: string;
  mac?: string;
  container?: boolean;
  mounts?: string;
};

/** Writes the facts below a folder, which an agent takes as its machine's root, and returns the folder. */
export function machineAt(root: string, { machineId, productUuid, mac, container, mounts }: MachineFacts): string {
  const put = (path: string, content: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  };
  if (machineId !== undefined) put('etc/machine-id', `${machineId}\n`);
  if (productUuid !== undefined) put('sys/class/dmi/id/product_uuid', `${productUuid}\n`);
  if (mac !== undefined) {
    put('sys/class/net/eth0/address', `${mac}\n`);
    put('sys/class/net/eth0/addr_assign_type', '0\n');
  }
  if (container) put('.dockerenv', '');
  if (mounts !== undefined) put('proc/self/mountinfo', mounts);
  return root;
}

import { readFileSync } from 'node:fs';
import { AgentExit, EXIT, misconfigured } from '../cli/exit-codes.js';
import type { Resolved } from '../config/options.js';
import { decodeText } from '../config/text.js';

/**
 * The provisioning key from wherever it was given: the flags, then the environment, then the config file.
 * @param readStdin reads standard input to its end, for `--provisioning-key-file -`
 * @returns '' when there is none
 * @throws AgentExit 64 when it is given twice on the command line, 78 when its file is unreadable or empty
 */
export function provisioningKey(resolved: Resolved, readStdin: () => Buffer): string {
  const order = ['cli', 'env', 'file', 'default'];
  const rank = (key: string) =>
    order.indexOf(resolved.all.find((one) => one.setting.key === key)?.sources[0] ?? 'default');
  const { provisioningKey: key, provisioningKeyFile: path } = resolved.settings;
  if (key !== '' && path !== '' && rank('provisioningKey') === 0 && rank('provisioningKeyFile') === 0) {
    throw new AgentExit(EXIT.usage, 'give --provisioning-key or --provisioning-key-file, not both');
  }
  if (path === '' || rank('provisioningKey') < rank('provisioningKeyFile')) return key.trim();
  let bytes: Buffer;
  try {
    bytes = path === '-' ? readStdin() : readFileSync(path);
  } catch (error) {
    throw misconfigured(`the provisioning key file ${path} cannot be read: ${(error as Error).message}`);
  }
  const file = `the provisioning key file ${path === '-' ? '(standard input)' : path}`;
  const decoded = decodeText(bytes);
  if ('problem' in decoded) throw misconfigured(`${file} cannot be read: ${decoded.problem}`);
  const text = decoded.text.replaceAll('\0', '').trim();
  if (text === '') throw misconfigured(`${file} is empty`);
  return text;
}

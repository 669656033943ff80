import { arch, hostname, platform, release } from 'node:os';
import { type AgentCapability, type AgentHello, type BundleKey, PROTOCOL } from '../../../contracts/index.js';
import { AGENT_VERSION } from '../version.js';

/** What this program is and the machine it runs on. */
export function greeting(
  hardwareId: string | undefined,
  bundleKey: BundleKey | undefined,
  capabilities: AgentCapability[] = [],
): AgentHello {
  return {
    protocol: PROTOCOL,
    version: AGENT_VERSION,
    capabilities,
    facts: {
      hostname: hostname(),
      os: platform(),
      arch: arch(),
      kernel: release(),
      node: process.version,
      ...(hardwareId === undefined ? {} : { hardwareId }),
    },
    ...(bundleKey === undefined ? {} : { bundleKey }),
  };
}

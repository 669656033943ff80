declare const GATEHOUSE_AGENT_VERSION: string | undefined;

/** Put in by the build from package.json; unbundled source has none. */
export const AGENT_VERSION: string =
  typeof GATEHOUSE_AGENT_VERSION === 'string' ? GATEHOUSE_AGENT_VERSION : '0.0.0-source';

import { createRequire } from 'node:module';

/** The release that runs. */
export const { version: VERSION } = createRequire(import.meta.url)('#package') as { version: string };

#!/usr/bin/env node
// Runs the bundle that the build made; the bundle is what machines download, so the clone runs the same file.
import { existsSync } from 'node:fs';

const bundle = new URL('../../../dist/agent/gatehouse-agent.mjs', import.meta.url);
if (!existsSync(bundle)) {
  console.error('gatehouse-agent is not built yet: run npm start or npm run build first');
  process.exit(70);
}
await import(bundle.href);

// `npm run build`: the server (dist/), the agent's bundle and the dashboard.
import { build, root } from './setup.mjs';

process.chdir(root);
await build();

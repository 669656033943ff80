// `npm run build`: the server (dist/) and the agent's bundle.
import { build, root } from './setup.mjs';

process.chdir(root);
await build();

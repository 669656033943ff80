// `npm run build`: the server (dist/) and the agent's bundle.
import { root, build } from './setup.mjs';

process.chdir(root);
build();

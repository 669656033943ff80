import { run } from './administer.js';

await run();

// `npm start`: installs and builds what is missing or has changed, then runs the server in this process.
import { setUp } from './setup.mjs';

setUp();
await import('../dist/src/main.js');

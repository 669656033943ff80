// `npm run admin -- …`: see src/bootstrap/admin-commands.ts for the commands.
import { setUp } from './setup.mjs';

setUp();
await import('../dist/src/admin.js');

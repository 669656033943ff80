import { loadConfig } from '../libs/platform/index.js';
import { createApp } from './app.js';

const config = loadConfig();
const app = await createApp(config);
app.enableShutdownHooks();
await app.listen({ port: config.port, host: config.host, backlog: 8192 } as never);

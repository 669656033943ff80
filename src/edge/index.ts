export { EdgeModule } from './edge.module.js';
export { RawListener } from './raw/raw-listener.js';
export { EdgeListener } from './server/edge-listener.js';
export { InternalListener } from './server/internal-listener.js';

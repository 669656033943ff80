export * from './agent-messages.js';
export * from './enrol.js';
export * from './errors.js';
export * from './events.js';
export * from './labels.js';
export * from './names.js';
export * from './nearest.mjs';
export * from './scopes.js';

export * from './checker.js';
export * from './probe.js';
export * from './tally.js';

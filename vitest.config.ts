import { defineConfig } from 'vitest/config';

// Decorators and their metadata need nothing here: vite's transformer reads experimentalDecorators and
// emitDecoratorMetadata from tsconfig.json (test/metadata.spec.ts proves it).
// A limit is for a test that hangs, with a cause of its own to say sooner (`until`, `startServer`): never for one that is slow because the
// machine is busy.
const limits = { testTimeout: 900_000, hookTimeout: 600_000 };
const database = { globalSetup: 'test/support/global-setup.ts', ...limits };

// `#platform` and its like are the sources here; a built server takes them from dist (package.json, "imports").
const conditions = ['gatehouse-source', 'module', 'node', 'development|production'];

/** These put something else in the place of a module: each needs modules of its own. All others of their kind share those of their process. */
const MOCKING = [
  'src/access/users/passwords.spec.ts',
  'src/first-run/master-key-rotation.spec.ts',
  'test/integration/slow-hashes.int-spec.ts',
];
const shared = { isolate: false, exclude: MOCKING };

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ['gatehouse-source', 'node', 'module-sync'] } },
  test: {
    pool: 'forks',
    // Many files wait more than they compute: for a server that is gone, for a lease to end.
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['{src,libs}/**/*.spec.ts', 'test/*.spec.ts'], ...shared, ...limits },
      },
      { extends: true, test: { name: 'mocking', include: MOCKING, ...database } },
      {
        extends: true,
        test: { name: 'integration', include: ['test/integration/**/*.int-spec.ts'], ...shared, ...database },
      },
      { extends: true, test: { name: 'e2e', include: ['test/e2e/**/*.e2e-spec.ts'], ...database } },
      { extends: true, test: { name: 'browser', include: ['test/browser/**/*.browser-spec.ts'], ...database } },
    ],
  },
});

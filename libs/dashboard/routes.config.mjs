import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** How files of `src/routes` become addresses: for the build, and for the type check without one. */
export const ROUTES = /** @type {const} */ ({
  target: 'react',
  autoCodeSplitting: true,
  routesDirectory: here('src/routes'),
  generatedRouteTree: here('src/route-tree.gen.ts'),
  // Parts of a page that are no page themselves stand beside it in a file with this prefix.
  routeFileIgnorePrefix: '-',
  quoteStyle: 'single',
  semicolons: true,
  disableLogging: true,
});

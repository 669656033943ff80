import { fileURLToPath } from 'node:url';
import { tanstackRouter } from '@tanstack/router-plugin/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { ROUTES } from './routes.config.mjs';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here('.'),
  base: '/',
  plugins: [tanstackRouter(ROUTES), react()],
  resolve: {
    alias: { '@texts': here('src/texts/en'), '@': here('src') },
    conditions: ['gatehouse-source', 'module', 'browser', 'production'],
  },
  // The server writes a nonce of its own into each answer (src/dashboard/page.ts).
  html: { cspNonce: '__NONCE__' },
  worker: { format: 'es' },
  build: {
    outDir: here('../../dist/dashboard'),
    emptyOutDir: true,
    target: 'es2022',
    // The policy of the pages allows no `data:` but for pictures.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000,
    reportCompressedSize: false,
    manifest: true,
    rolldownOptions: {
      output: {
        // What most pages share is one file, not fifty: fewer requests, and they compress better.
        // Forms are a file of their own: lists do without.
        codeSplitting: {
          includeDependenciesRecursively: false,
          groups: [
            { name: 'forms', test: /@mantine\/form\/|\/kit\/form\.tsx/, priority: 1 },
            { name: 'shared', minShareCount: 30 },
          ],
        },
      },
    },
  },
});

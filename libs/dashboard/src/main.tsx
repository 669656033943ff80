import './styles';
import { localStorageColorSchemeManager, MantineProvider } from '@mantine/core';
import { ModalsProvider } from '@mantine/modals';
import { Notifications } from '@mantine/notifications';
import { QueryClientProvider } from '@tanstack/react-query';
import { createRouter, RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import type { Action } from '../../contracts/index.js';
import { parseSearch, stringifySearch } from './address';
import { queryClient } from './api/query-client';
import { ZoneProvider } from './kit/time';
import { NONCE } from './nonce';
import { routeTree } from './route-tree.gen';
import { COLOR_SCHEME_KEY, theme, variables } from './theme';

const router = createRouter({
  routeTree,
  context: { queryClient },
  parseSearch,
  stringifySearch,
  scrollRestoration: true,
  defaultPreload: 'intent',
  // What a route reads before it is shown lives in the query cache, which knows how old it is.
  defaultPreloadStaleTime: 0,
  // Within the router: what dialogs say may lead to other pages.
  InnerWrap: ({ children }) => <ModalsProvider>{children}</ModalsProvider>,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
  interface StaticDataRouteOption {
    /** What one must be allowed to see the page: without it the page says so, and who can change that. */
    action?: Action;
  }
}

// A part of the page that is gone because the server was updated: the new page has another.
addEventListener('vite:preloadError', () => location.reload());

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <MantineProvider
        theme={theme}
        cssVariablesResolver={variables}
        getStyleNonce={() => NONCE}
        defaultColorScheme="auto"
        colorSchemeManager={localStorageColorSchemeManager({ key: COLOR_SCHEME_KEY })}
      >
        <Notifications position="bottom-right" />
        <ZoneProvider>
          <RouterProvider router={router} />
        </ZoneProvider>
      </MantineProvider>
    </QueryClientProvider>
  </StrictMode>,
);

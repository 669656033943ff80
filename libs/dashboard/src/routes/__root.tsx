import type { QueryClient } from '@tanstack/react-query';
import { createRootRouteWithContext, Outlet } from '@tanstack/react-router';
import { Alone } from '@/shell/alone';
import { NotFound } from '@/shell/refusals';

export const Route = createRootRouteWithContext<{ queryClient: QueryClient }>()({
  component: Outlet,
  notFoundComponent: () => (
    <Alone>
      <NotFound />
    </Alone>
  ),
});

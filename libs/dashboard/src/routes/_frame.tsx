import { createFileRoute, type ErrorComponentProps, Outlet, redirect } from '@tanstack/react-router';
import { isProblem } from '@/api/problem';
import { Failure } from '@/kit/failure';
import { userQuery } from '@/session/session';
import { Alone } from '@/shell/alone';
import { Frame } from '@/shell/frame';
import { NotFound } from '@/shell/refusals';

/** What is below needs somebody to be signed in. */
export const Route = createFileRoute('/_frame')({
  beforeLoad: async ({ context, location }) => {
    try {
      await context.queryClient.ensureQueryData(userQuery);
    } catch (error) {
      if (!isProblem(error, 'unauthenticated')) throw error;
      const to = location.href === '/' ? undefined : location.href;
      throw redirect({ to: '/login', search: { to } });
    }
  },
  component: () => (
    <Frame>
      <Outlet />
    </Frame>
  ),
  errorComponent: Failed,
  notFoundComponent: () => <NotFound />,
});

function Failed({ error, reset }: ErrorComponentProps) {
  return (
    <Alone>
      <Failure error={error} retry={reset} />
    </Alone>
  );
}

import { createFileRoute, redirect } from '@tanstack/react-router';
import { type User, userQuery } from '@/session/session';

/** To the one organization, or to all of them. */
export const Route = createFileRoute('/_frame/')({
  beforeLoad: ({ context }) => {
    const { memberships, serverAdmin } = context.queryClient.getQueryData(userQuery.queryKey) as User;
    if (memberships.length === 1 && !serverAdmin)
      throw redirect({ to: '/org/$org', params: { org: memberships[0]!.orgId }, replace: true });
    throw redirect({ to: '/orgs', replace: true });
  },
});

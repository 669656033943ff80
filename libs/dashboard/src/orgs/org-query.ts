import { $api } from '@/api/client';

/** One organization as its settings show it. */
export const orgQuery = (orgId: string) => $api.queryOptions('get', '/org/{orgId}', { params: { path: { orgId } } });

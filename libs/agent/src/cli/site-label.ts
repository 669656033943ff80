/** How people know a site, by its name, and how the API does. */
export function siteLabel(site: { siteId: number; niceId: string; name?: string | null }): string {
  const { siteId, niceId, name } = site;
  return name && name !== niceId ? `${name} (${niceId}, site ${siteId})` : `${niceId} (site ${siteId})`;
}

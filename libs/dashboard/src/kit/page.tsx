import { Group, Stack, Text, Title } from '@mantine/core';
import { Link, type LinkProps, useRouter } from '@tanstack/react-router';
import { type ReactNode, useEffect } from 'react';
import classes from './page.module.css';
import { setPageTitle } from './page-title';

export interface PageTab {
  label: ReactNode;
  to: LinkProps['to'];
}

/** Tabs below an address, those that have a route: `''` is the address itself. Parameters are those of the page. */
export function usePageTabs(base: string, tabs: readonly { label: ReactNode; path: string }[]): PageTab[] {
  const routes = useRouter().routesByPath as object;
  return tabs
    .filter(({ path }) => path === '' || `${base}/${path}` in routes)
    .map(({ label, path }) => ({ label, to: (path === '' ? base : `${base}/${path}`) as LinkProps['to'] }));
}

/** The head of a page: its title (also the tab's), what can be done, and its tabs, which are addresses. */
export function PageHeader({
  title,
  icon,
  above,
  description,
  actions,
  tabs,
}: {
  title: string;
  icon?: ReactNode;
  /** Where this is: a link to the list. */
  above?: ReactNode;
  description?: ReactNode;
  actions?: ReactNode;
  /** From `usePageTabs`. */
  tabs?: PageTab[];
}) {
  useEffect(() => setPageTitle(title), [title]);
  return (
    <Stack gap="sm" mb={tabs ? 'lg' : 'md'}>
      {above && <Text size="sm">{above}</Text>}
      <Group justify="space-between" align="flex-start" gap="sm">
        <Stack gap={4} miw={0}>
          <Group gap="sm" wrap="nowrap">
            {icon}
            <Title order={1} style={{ overflowWrap: 'anywhere' }}>
              {title}
            </Title>
          </Group>
          {description && (
            <Text c="dimmed" size="sm" component="div">
              {description}
            </Text>
          )}
        </Stack>
        {actions && <Group gap="sm">{actions}</Group>}
      </Group>
      {tabs && (
        <nav aria-label={title} className={classes.tabs}>
          {tabs.map(({ label, to }) => (
            <Link
              key={to}
              to={to}
              params={true as never}
              activeOptions={{ exact: true, includeSearch: false }}
              className={classes.tab}
            >
              {label}
            </Link>
          ))}
        </nav>
      )}
    </Stack>
  );
}

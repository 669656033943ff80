import { Group, Stack, Text, Title } from '@mantine/core';
import { IconChevronLeft } from '@tabler/icons-react';
import { Link, type LinkProps, useLocation, useRouter } from '@tanstack/react-router';
import { type ReactNode, useEffect, useRef } from 'react';
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
  state,
  above,
  description,
  actions,
  tabs,
}: {
  title: string;
  /** A badge beside the title. */
  state?: ReactNode;
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
      {above && (
        <Group gap={2} c="dimmed" wrap="nowrap">
          <IconChevronLeft size={16} />
          {above}
        </Group>
      )}
      <div className={classes.head}>
        <Stack gap={4} className={classes.what}>
          <Group gap={4} style={{ columnGap: 'var(--mantine-spacing-md)' }}>
            <Title order={1}>{title}</Title>
            {state}
          </Group>
          {description && (
            <Text c="dimmed" size="sm" component="div">
              {description}
            </Text>
          )}
        </Stack>
        {actions && <Group gap="sm">{actions}</Group>}
      </div>
      {tabs && <Tabs label={title} tabs={tabs} />}
    </Stack>
  );
}

function Tabs({ label, tabs }: { label: string; tabs: PageTab[] }) {
  const nav = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  // On a phone the row is wider than the screen, and one may have come by a link.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the address says which tab is the present one
  useEffect(() => {
    const present = nav.current?.querySelector<HTMLElement>('[aria-current="page"]');
    if (present) nav.current!.scrollLeft = present.offsetLeft - nav.current!.clientWidth / 2 + present.clientWidth / 2;
  }, [pathname]);
  return (
    <nav ref={nav} aria-label={label} className={classes.tabs}>
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
  );
}

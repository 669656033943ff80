import { AppShell, Burger, Button, Group, Kbd, ScrollArea, Text, UnstyledButton } from '@mantine/core';
import { useHotkeys, useReducedMotion } from '@mantine/hooks';
import { spotlight } from '@mantine/spotlight';
import { IconSearch } from '@tabler/icons-react';
import { Link, useLocation, useParams } from '@tanstack/react-router';
import { t as common } from '@texts/common';
import { t } from '@texts/shell';
import { lazy, type ReactNode, Suspense, useState } from 'react';
import icon from '@/favicon.svg';
import { useHasExpired } from '@/session/session';
import { AccountMenu } from './account-menu';
import { ConnectionLine } from './connection-line';
import classes from './frame.module.css';
import { Navigation } from './navigation';
import { OrganizationSwitcher } from './organization-switcher';

const SignInAgain = lazy(async () => ({ default: (await import('./sign-in-again')).SignInAgain }));
const CommandPalette = lazy(async () => ({ default: (await import('./command-palette')).CommandPalette }));

/** What stands around every page: head, navigation, the line on a lost connection, the palette. */
export function Frame({ children }: { children: ReactNode }) {
  const [openedAt, setOpenedAt] = useState<string>();
  const { org } = useParams({ strict: false });
  const { pathname } = useLocation();
  // Of the page that it was opened on: a link in it leads to another one.
  const hasExpired = useHasExpired();
  const opened = openedAt === pathname;
  // Its code is loaded when somebody asks for it; from then on it listens to its keys itself.
  const [isPaletteWanted, setPaletteWanted] = useState(false);
  const search = () => {
    setPaletteWanted(true);
    spotlight.open();
  };
  useHotkeys(isPaletteWanted ? [] : [['mod+K', search]], []);
  // Mantine's other components go by `respectReducedMotion`; this one does not.
  const isStill = useReducedMotion(false, { getInitialValueInEffect: false });
  const toggle = () => setOpenedAt(opened ? undefined : pathname);
  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 240, breakpoint: 'sm', collapsed: { mobile: !opened, desktop: org === undefined } }}
      padding="lg"
      {...(isStill && { transitionDuration: 0 })}
    >
      <a href="#content" className={classes.skip}>
        {t.skip}
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap" gap="sm">
          <Group gap="sm" wrap="nowrap" miw={0}>
            {org !== undefined && (
              <Burger
                opened={opened}
                onClick={toggle}
                hiddenFrom="sm"
                size="sm"
                aria-label={opened ? t.closeMenu : t.openMenu}
                aria-expanded={opened}
              />
            )}
            <Link to="/" className={classes.brand} aria-label={common.product}>
              <img src={icon} width={24} height={24} alt="" />
              <Text fw={650} visibleFrom="sm">
                {common.product}
              </Text>
            </Link>
            <OrganizationSwitcher orgId={org} />
          </Group>
          <Group gap="xs" wrap="nowrap">
            <Button
              variant="default"
              size="sm"
              leftSection={<IconSearch size={16} />}
              rightSection={<Kbd size="xs">Ctrl K</Kbd>}
              onClick={search}
              visibleFrom="sm"
            >
              {t.search}
            </Button>
            <UnstyledButton onClick={search} hiddenFrom="sm" aria-label={t.search} p={6} display="flex">
              <IconSearch size={20} />
            </UnstyledButton>
            <AccountMenu />
          </Group>
        </Group>
      </AppShell.Header>
      {org !== undefined && (
        <AppShell.Navbar aria-label={t.menu}>
          <AppShell.Section grow component={ScrollArea} p="xs">
            <Navigation orgId={org} />
          </AppShell.Section>
        </AppShell.Navbar>
      )}
      <AppShell.Main id="content" tabIndex={-1} className={classes.main}>
        <ConnectionLine />
        <div className={classes.page}>{children}</div>
      </AppShell.Main>
      {isPaletteWanted && (
        <Suspense>
          <CommandPalette orgId={org} />
        </Suspense>
      )}
      {hasExpired && (
        <Suspense>
          <SignInAgain />
        </Suspense>
      )}
    </AppShell>
  );
}

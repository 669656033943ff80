import { Anchor } from '@mantine/core';
import { Link, type LinkProps } from '@tanstack/react-router';
import type { ReactNode } from 'react';

/** A link to a page: a row's name, or the list above a page. */
export function PageLink({
  children,
  dimmed,
  onClick,
  ...link
}: LinkProps & { children: ReactNode; dimmed?: boolean; onClick?: () => void }) {
  return (
    <Anchor
      size="sm"
      {...(dimmed ? { c: 'dimmed' } : { fw: 500 })}
      style={{ overflowWrap: 'anywhere' }}
      onClick={onClick}
      renderRoot={(props) => <Link {...(link as LinkProps)} {...props} />}
    >
      {children}
    </Anchor>
  );
}

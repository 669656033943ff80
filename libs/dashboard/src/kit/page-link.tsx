import { Link, type LinkProps } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import styles from './cells.module.css';

/** A link to a page: a row's name, or the list above a page. */
export function PageLink({
  children,
  dimmed,
  onClick,
  ...link
}: LinkProps & { children: ReactNode; dimmed?: boolean; onClick?: () => void }) {
  return (
    <Link {...(link as LinkProps)} className={styles.link} data-dimmed={dimmed} onClick={onClick}>
      {children}
    </Link>
  );
}

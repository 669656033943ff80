import { Badge } from '@mantine/core';
import { Link, useLocation } from '@tanstack/react-router';
import { Fragment } from 'react';
import { formatNumber } from '@/kit/formats';
import { usePendingCount } from '@/sites/queries';
import classes from './frame.module.css';
import { type Place } from './places';
import { routeOf, usePlaces } from './use-places';

/** The places of an organization that one may see. */
export function Navigation({ orgId }: { orgId: string }) {
  const pending = usePendingCount(orgId);
  const { pathname } = useLocation();
  const link = (place: Place, Icon?: React.ComponentType<{ size?: number }>) => (
    <Link
      key={place.path}
      to={routeOf(place) as '/org/$org'}
      params={{ org: orgId }}
      activeOptions={{
        // Groups are a place of their own, below that of sites.
        exact: place.path === '/' || (place.path === '/sites' && pathname.includes('/sites/groups')),
        includeSearch: false,
      }}
      className={`${classes.place} ${Icon ? '' : classes.indented}`}
    >
      {Icon && <Icon size={18} />}
      {place.label}
      {place.countsPending && !!pending && (
        <Badge className={classes.count} size="sm" variant="filled">
          {formatNumber(pending)}
        </Badge>
      )}
    </Link>
  );
  return usePlaces(orgId).map(({ label, icon: Icon, places }) => {
    const [first, ...more] = places;
    if (label === undefined || more.length === 0) return link(first!, Icon);
    return (
      <Fragment key={label}>
        <div className={classes.section}>
          <Icon size={18} />
          {label}
        </div>
        {places.map((place) => link(place))}
      </Fragment>
    );
  });
}

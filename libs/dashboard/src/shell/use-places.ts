import { useRouter } from '@tanstack/react-router';
import { useMay } from '@/session/session';
import { type Place, SECTIONS, type Section } from './places';

const BELOW = '/org/$org';

/** The route of a place: its full path, as the router writes it. */
export const routeOf = ({ path }: Place): string => (path === '/' ? BELOW : BELOW + path);

/** The sections of an organization, with the places that have a page and that one may see. */
export function usePlaces(orgId: string): Section[] {
  const may = useMay(orgId);
  const routes = useRouter().routesByPath as object;
  const isThere = (place: Place): boolean => routeOf(place) in routes || `${routeOf(place)}/` in routes;
  return SECTIONS.flatMap((section) => {
    const places = section.places.filter(
      (place) => isThere(place) && (place.action === undefined || may(place.action)),
    );
    return places.length > 0 ? [{ ...section, places }] : [];
  });
}

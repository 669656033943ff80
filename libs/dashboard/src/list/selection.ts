import { useLocation } from '@tanstack/react-router';
import { useState } from 'react';

type Ids = (string | number)[];

/** By the entry of the history: Back finds what was chosen, another visit begins anew. Filters and pages keep it. */
const kept = new Map<string, Ids>();

export function useSelection(): [selected: Ids, select: (ids: Ids) => void] {
  const { pathname, state } = useLocation();
  const key = `${pathname} ${state.__TSR_index}`;
  const [selected, setSelected] = useState<Ids>(() => kept.get(key) ?? []);
  return [
    selected,
    (ids) => {
      kept.set(key, ids);
      setSelected(ids);
    },
  ];
}

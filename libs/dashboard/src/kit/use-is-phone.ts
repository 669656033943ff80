import { useMediaQuery } from '@mantine/hooks';

/** Below Mantine's `sm`: rows are cards, and long forms are only read. */
export const useIsPhone = (): boolean => useMediaQuery('(max-width: 48em)', false, { getInitialValueInEffect: false });

import { useMediaQuery } from '@mantine/hooks';

/** Below Mantine's `sm`: long forms and editors are for reading only. */
export const useIsPhone = (): boolean => useMediaQuery('(max-width: 48em)', false, { getInitialValueInEffect: false });

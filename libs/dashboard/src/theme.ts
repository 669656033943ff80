import {
  CloseButton,
  type CSSVariablesResolver,
  createTheme,
  type MantineColorsTuple,
  PasswordInput,
  Title,
  Tooltip,
} from '@mantine/core';
import { t } from '@texts/common';

/** The one accent. Shade 6 has a contrast of 5 on the light ground, shade 4 of 6 on the dark ground. */
const gate: MantineColorsTuple = [
  '#eef4fd',
  '#dbe7fa',
  '#b6cdf4',
  '#8eb2ee',
  '#6b9ae9',
  '#4a84e4',
  '#2b68d4',
  '#255fc4',
  '#1f51a9',
  '#19448e',
];

/** Of dialogs and toasts, whose buttons are a picture. */
const CLOSES = { 'aria-label': t.close };

export const theme = createTheme({
  colors: { gate },
  primaryColor: 'gate',
  primaryShade: { light: 6, dark: 7 },
  defaultRadius: 'md',
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", Arial, sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace',
  headings: {
    fontWeight: '600',
    sizes: {
      h1: { fontSize: 'clamp(1.25rem, 1.05rem + 0.6vw, 1.5rem)' },
      h2: { fontSize: '1.15rem' },
      h3: { fontSize: '1rem' },
    },
  },
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    CloseButton: CloseButton.extend({ defaultProps: { variant: 'subtle', ...CLOSES } }),
    PasswordInput: PasswordInput.extend({
      defaultProps: { visibilityToggleButtonProps: { 'aria-label': t.showPassword } },
    }),
    // Names may be one long word.
    Title: Title.extend({ defaultProps: { style: { overflowWrap: 'anywhere' } } }),
    Tooltip: Tooltip.extend({ defaultProps: { openDelay: 300, withArrow: true, multiline: true, maw: 320 } }),
  },
});

/** Shades of Mantine's that are legible on a light ground (WCAG AA, 4.5); its orange and teal have none. */
const LEGIBLE_ON_LIGHT = { red: '#c92a2a', orange: '#b23c08', teal: '#067353', gray: '#495057' };
/** Likewise on a dark one: shade 3 of each. */
const LEGIBLE_ON_DARK = { red: '#ffa8a8', orange: '#ffc078', teal: '#63e6be', gray: '#ced4da' };

/** Colours of outlined badges, alerts and buttons, and of text that is given a colour by its name. */
const textColors = (shades: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(shades).flatMap(([name, shade]) => [
      [`--mantine-color-${name}-outline`, shade],
      [`--mantine-color-${name}-text`, shade],
      [`--mantine-color-${name}-light-color`, shade],
    ]),
  );

/** Mantine's greys for secondary text have less contrast than WCAG AA asks for, and its disabled fields cannot be read: on a phone they are. */
export const variables: CSSVariablesResolver = (t) => ({
  variables: {},
  light: {
    ...textColors(LEGIBLE_ON_LIGHT),
    '--mantine-color-dimmed': t.colors.gray[7],
    '--mantine-color-placeholder': t.colors.gray[7],
    '--mantine-color-disabled-color': t.colors.gray[7],
    '--mantine-color-error': t.colors.red[9],
    '--gate-ground': '#f8f9fb',
  },
  dark: {
    ...textColors(LEGIBLE_ON_DARK),
    '--mantine-color-dimmed': t.colors.dark[1],
    '--mantine-color-placeholder': t.colors.dark[1],
    '--mantine-color-disabled-color': t.colors.dark[1],
    '--mantine-color-error': t.colors.red[4],
    '--gate-ground': t.colors.dark[8],
  },
});

export const COLOR_SCHEME_KEY = 'gatehouse-color-scheme';

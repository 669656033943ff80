/** Each calls itself by the names of those it descends from: the first that fits is meant. */
const BROWSERS = [
  ['Edge', /\bEdg(?:e|A|iOS)?\//],
  ['Opera', /\b(?:OPR|Opera)\//],
  ['Samsung Internet', /\bSamsungBrowser\//],
  ['Firefox', /\b(?:Firefox|FxiOS)\//],
  ['Chrome', /\b(?:Headless)?(?:Chrome|CriOS)\//],
  ['Safari', /\bSafari\//],
] as const;
const SYSTEMS = [
  ['Android', /\bAndroid\b/],
  ['iPhone', /\biPhone\b/],
  ['iPad', /\biPad\b/],
  ['Windows', /\bWindows\b/],
  ['macOS', /\bMac OS X\b/],
  ['ChromeOS', /\bCrOS\b/],
  ['Linux', /\bLinux\b/],
] as const;

/** What a browser calls itself, in words: its name, and the system that it runs on. @returns undefined for what is no browser */
export function deviceOf(userAgent: string): { browser: string; system: string | undefined } | undefined {
  const first = (known: typeof BROWSERS | typeof SYSTEMS) => known.find(([, pattern]) => pattern.test(userAgent))?.[0];
  const browser = first(BROWSERS);
  return browser && { browser, system: first(SYSTEMS) };
}

const V4_PART = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]\\d|\\d)';
const V4 = `(?:${V4_PART}\\.){3}${V4_PART}`;
const V6_PART = '(?:[0-9a-fA-F]{1,4})';

const IPV4 = new RegExp(`^${V4}$`);
const IPV6 = new RegExp(
  '^(?:' +
    [
      `(?:${V6_PART}:){7}(?:${V6_PART}|:)`,
      `(?:${V6_PART}:){6}(?:${V4}|:${V6_PART}|:)`,
      `(?:${V6_PART}:){5}(?::${V4}|(?::${V6_PART}){1,2}|:)`,
      `(?:${V6_PART}:){4}(?:(?::${V6_PART}){0,1}:${V4}|(?::${V6_PART}){1,3}|:)`,
      `(?:${V6_PART}:){3}(?:(?::${V6_PART}){0,2}:${V4}|(?::${V6_PART}){1,4}|:)`,
      `(?:${V6_PART}:){2}(?:(?::${V6_PART}){0,3}:${V4}|(?::${V6_PART}){1,5}|:)`,
      `(?:${V6_PART}:)(?:(?::${V6_PART}){0,4}:${V4}|(?::${V6_PART}){1,6}|:)`,
      `:(?:(?::${V6_PART}){0,5}:${V4}|(?::${V6_PART}){1,7}|:)`,
    ].join('|') +
    ')$',
);

export const isIPv4 = (text: string): boolean => IPV4.test(text);

/** An address as `node:net` tells one, without the zone of a link-local one: documents are read in browsers too. */
export const isAddress = (text: string): boolean => isIPv4(text) || IPV6.test(text);

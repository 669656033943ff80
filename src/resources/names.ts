import { isIP } from 'node:net';
import { ValidateBy } from 'class-validator';

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;
const MAX_NAME = 253;

/** Dot-separated labels of letters, digits and inner hyphens, at most 63 each and 253 together. */
export const isHostName = (text: string): boolean =>
  text.length <= MAX_NAME && text.split('.').every((label) => LABEL.test(label));

/** A host name of at least two labels whose last one is no number: something that DNS can delegate. */
export function isDomainName(text: string): boolean {
  const labels = text.split('.');
  return isHostName(text) && labels.length >= 2 && /[a-z]/i.test(labels.at(-1)!) && labels.at(-1)!.length >= 2;
}

/** An address, or a host name whose labels may hold `_` as those of containers do (docs/integration-api.md §3.6). */
export function isBackendHost(text: string): boolean {
  if (isIP(text)) return true;
  // What looks like an address and is none is no name either.
  if (/^[\d.]+$/.test(text)) return false;
  return (
    text.length <= MAX_NAME &&
    text.split('.').every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label))
  );
}

/** The name without its first label. */
export const parentOf = (name: string): string => name.slice(name.indexOf('.') + 1);

/** Whether `name` is `domain` or lies below it. */
export const isWithin = (name: string, domain: string): boolean => name === domain || name.endsWith(`.${domain}`);

/** The niceId of a private or an HTTP resource (docs/integration-api.md §3.4, §3.5), and no number. */
export const RESOURCE_NICE_ID = /^(?!\d+$)[A-Za-z0-9-]+$/;
export const RESOURCE_NICE_ID_PROBLEM = 'must be letters, digits and hyphens, not digits alone';

const rule = (name: string, validate: (value: string) => boolean, message: string) =>
  ValidateBy({
    name,
    validator: {
      validate: (value) => typeof value === 'string' && validate(value),
      defaultMessage: () => `$property ${message}`,
    },
  });

export const IsDomainName = () => rule('isDomainName', isDomainName, 'must be a domain name of at least two labels');
export const IsBackendHost = () => rule('isBackendHost', isBackendHost, 'must be an IP address or a host name');
/** The empty text clears it. */
export const IsHostOrEmpty = () =>
  rule('isHostOrEmpty', (value) => value === '' || isHostName(value), 'must be a host name or empty');

import { ValidateBy } from 'class-validator';
import { isHostName } from '#blueprint';

/** A host name of at least two labels whose last one is no number: something that DNS can delegate. */
export function isDomainName(text: string): boolean {
  const labels = text.split('.');
  return isHostName(text) && labels.length >= 2 && /[a-z]/i.test(labels.at(-1)!) && labels.at(-1)!.length >= 2;
}

/** The name without its first label. */
export const parentOf = (name: string): string => name.slice(name.indexOf('.') + 1);

/** Whether `name` is `domain` or lies below it. */
export const isWithin = (name: string, domain: string): boolean => name === domain || name.endsWith(`.${domain}`);

const rule = (name: string, validate: (value: string) => boolean, message: string) =>
  ValidateBy({
    name,
    validator: {
      validate: (value) => typeof value === 'string' && validate(value),
      defaultMessage: () => `$property ${message}`,
    },
  });

export const IsDomainName = () => rule('isDomainName', isDomainName, 'must be a domain name of at least two labels');

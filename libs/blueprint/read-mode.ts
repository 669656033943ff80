import { type Fields, listed } from '#document';

/**
 * `mode`, or `protocol` as it was called before; both may be there and say the same.
 * @param later modes that are known and not offered yet
 */
export function readMode<const S extends string, const L extends string>(
  f: Fields,
  served: readonly S[],
  later: readonly L[],
): S | L | undefined {
  const protocol = f.choice('protocol', served, later);
  const mode = f.choice('mode', served, later);
  if (!f.has('mode', 'protocol')) f.wrong('mode', `is required: ${listed(served, 'or')}`);
  if (mode !== undefined && protocol !== undefined && mode !== protocol)
    f.wrong('mode', `says ${mode}, but protocol says ${protocol}`);
  const either = mode ?? protocol;
  if (either !== undefined && !served.some((one) => one === either))
    f.wrong(
      mode === undefined ? 'protocol' : 'mode',
      `${either} is not available yet; available are ${listed(served, 'and')}`,
    );
  return either;
}

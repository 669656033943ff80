/**
 * For statements that travel in one packet, the first of which may find that there is nothing to do: the others then mean nothing, and may
 * even have failed. @returns what the first answered. @throws `otherwise` when that is null; whatever any of them throws.
 */
export async function together<T>(first: Promise<T | null>, others: Promise<unknown>[], otherwise: () => Error): Promise<T> {
  const rest = Promise.all(others);
  rest.catch(() => undefined);
  const found = await first;
  if (found === null) throw otherwise();
  await rest;
  return found;
}

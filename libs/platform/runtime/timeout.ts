/** Work that did not end in the time that it had. */
export class TimeoutError extends Error {
  constructor(ms: number) {
    super(`not done within ${Math.round(ms)} ms`);
  }
}

/** Waits for work, but not longer. What is late goes on unwatched. @throws TimeoutError, or what the work throws. */
export async function withTimeout<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TimeoutError(ms)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

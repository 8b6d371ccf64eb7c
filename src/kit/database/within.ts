/** There was no answer in time. */
export class NoAnswer extends Error {}

/**
 * Waits for what a database or a server is asked, for so many milliseconds at most, the wait for its connection included: a network that
 * goes silent tells nobody, and not every client has limits of its own. What comes after that is nobody's.
 *
 * @param who who is asked, for the error
 * @throws what the work throws; {@link NoAnswer}
 */
export async function within<T>(ms: number, work: Promise<T>, who = 'it'): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new NoAnswer(`${who} has not answered within ${ms / 1_000} s`));
    }, ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

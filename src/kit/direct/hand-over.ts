/** Why the process that drives a transaction gives it up: a workflow goes on with it. */
export class HandOver extends Error {
  constructor(why: string, cause?: unknown) {
    super(why, { cause });
    this.name = 'HandOver';
  }
}

/** The first step waited for a connection, and nothing of it was sent: nothing has begun, and it may be tried again. */
export class NotSent extends HandOver {}

/** @throws {@link HandOver} when there is no answer in time */
export function within<T>(ms: number, name: string, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new HandOver(`${name} gave no answer within ${Math.round(ms)} ms`));
    }, ms);
    answer.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}

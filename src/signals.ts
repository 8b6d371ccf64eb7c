const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Within this time, in milliseconds, a second signal is the first one's echo: the terminal sends it, and npm again. */
const ECHO_MS = 1_000;

/**
 * Listens to Ctrl-C, SIGTERM and the end of the terminal.
 *
 * @param onFirst told at the first signal
 * @returns aborted by the first signal; a second one, later than its echo, ends the program at once with code 130
 */
export function abortOnSignal(onFirst: (signal: NodeJS.Signals) => void): AbortSignal {
  const controller = new AbortController();
  let first: number | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    if (first === undefined) {
      first = performance.now();
      onFirst(signal);
      controller.abort(new Error(`stopped by ${signal}`));
    } else if (performance.now() - first > ECHO_MS) process.exit(130); // The exit handlers of children kill them.
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  return controller.signal;
}

/** Settles as the work does, or rejects with the signal's reason as soon as that is aborted. */
export async function unlessAborted<T>(work: Promise<T>, abort: AbortSignal | undefined): Promise<T> {
  if (abort === undefined) return work;
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      reject(abort.reason as Error);
    };
    abort.addEventListener('abort', onAbort);
    if (abort.aborted) onAbort();
  });
  return Promise.race([work, aborted]).finally(() => {
    abort.removeEventListener('abort', onAbort);
  });
}

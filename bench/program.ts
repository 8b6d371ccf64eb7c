/** What the benchmark's programs share: how they tell, and how they end. */

/** Tells of progress, on stderr. */
export function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

/**
 * Runs a program to its end: exit code 0 if all was well, 1 if it was not or if it failed, 130 if it was interrupted.
 *
 * @param main resolves to whether all was well
 */
export function runProgram(main: () => Promise<boolean>): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => process.exit(130)); // At exit the servers are ended.
  }
  main().then(
    (well) => {
      process.exitCode = well ? 0 : 1;
    },
    (error: unknown) => {
      say(error instanceof Error ? (error.stack ?? error.message) : String(error));
      process.exitCode = 1;
    },
  );
}

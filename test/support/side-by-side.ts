/**
 * Tests that mostly wait, for timeouts of a server or another process, run at once; each is told by itself. The time that
 * the first one is seen to take is that of all.
 */
export function itSideBySide<T>(
  cases: readonly T[],
  title: (each: T) => string,
  run: (each: T) => Promise<void>,
): void {
  let running: Promise<void>[] = [];
  before(() => {
    running = cases.map(run);
    // One that fails before its test is come to is told by it.
    for (const each of running) each.catch(() => undefined);
  });
  cases.forEach((each, place) => {
    it(title(each), () => running[place]);
  });
}

import type { ServiceName } from '../../src/activities/index.js';

/**
 * Damage, by class: what is done to a healthy copy, and what is to be found of it. `:id` is the copy's id. What a single row breaks
 * between two pairs is found by both.
 */
export interface Fault<Base extends string = never, At extends ServiceName = ServiceName> {
  /** The classes that are to be found, of the copy's key; or of another one, which is then named behind the class. */
  readonly expect: readonly string[];
  /** What is copied first. Default: nothing */
  readonly base?: Base;
  /** Only in these services. Default: all */
  readonly at?: readonly At[];
  readonly sql?: Partial<Record<ServiceName, string>>;
  /** Classes that a repair mends. */
  readonly repaired?: readonly string[];
}

/** Reads a line of `expect` as `<class> <key>`. */
export function expected(line: string, id: string, key: string): string {
  return line.includes(' ') ? line.replaceAll(':id', id) : `${line} ${key}`;
}

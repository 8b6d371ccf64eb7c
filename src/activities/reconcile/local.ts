import { agree, readBoth, type Both, type DriftClass, type Pair, type Side } from '../../kit/database/index.js';

/** Pairs whose sides are judged by nothing but what both have of a key. */

/** What is said of a key that one side lacks, that the other one lacks, and whose values differ: classes, each with its sentence. */
export interface SidedClasses {
  /** The first side has it, and the second does not. */
  readonly missing: readonly [name: string, what: string];
  readonly surplus: readonly [name: string, what: string];
  readonly differs: readonly [name: string, what: string];
}

export interface SidedPair extends Pick<Pair, 'name' | 'what' | 'by' | 'gidsOf'> {
  readonly sides: readonly [Side, Side];
  /** What the sides are called in a line. */
  readonly nouns: readonly [string, string];
  readonly classes: SidedClasses;
}

/** Makes such a pair: nothing of it has a repair. */
export function sidedPair({ sides, nouns, classes, ...pair }: SidedPair): Pair {
  const [one, other] = sides;
  const sums = one.sums ?? other.sums;
  const all: Record<string, DriftClass> = {};
  for (const [name, what] of [classes.missing, classes.surplus, classes.differs]) all[name] = { what };
  return {
    ...pair,
    sides,
    classes: all,
    async judge(keys) {
      const found = await readBoth(sides, keys);
      return [...found].flatMap(([key, both]) => {
        if (agree(both, sums)) return [];
        const detail = `${nouns[0]}: ${wordsOf(both.one)}; ${nouns[1]}: ${wordsOf(both.other)}`;
        return [{ class: classOf(both, classes), key, detail }];
      });
    },
  };
}

function classOf({ one, other }: Both, { missing, surplus, differs }: SidedClasses): string {
  if (other.length === 0) return missing[0];
  return one.length === 0 ? surplus[0] : differs[0];
}

function wordsOf(values: readonly string[]): string {
  return values.length === 0 ? 'nothing' : values.slice(0, 5).join(' and ');
}

import type { Operation } from '../../workflow/branch.js';
import type { Side } from './side.js';

/**
 * A pair: two sides that have to say the same, and what it means where they do not.
 *
 * States of a key: agrees; or candidate (the sides differed when they were compared) → agrees after all, in flight, or drift of a named
 * class → repaired, at the desk, or only told of.
 *
 * Invariant: nothing is called drift for what was read at different moments: a candidate is read afresh by its pair, with all that has to do
 * with it, and it counts only when no transaction of it runs, is young, or has a message on its way.
 */
export interface Pair {
  /** In kebab-case. */
  readonly name: string;
  /** One sentence: what has to agree with what. */
  readonly what: string;
  readonly sides: readonly [PairSide, PairSide];
  /** How the sides are read: `ranges` of keys, for which both have an index; or `buckets`, in any order. */
  readonly by: 'ranges' | 'buckets';
  /** What drift there may be, by its name. A name belongs to one pair. */
  readonly classes: Readonly<Record<string, DriftClass>>;
  /** Rows before this time, in milliseconds since 1970, are not kept on both sides, and are not compared. Default: all are */
  readonly notBefore?: () => Promise<number>;
  /** The transactions that may have to do with a key: while one is in flight its differences are nobody's worry. */
  readonly gidsOf: (key: string) => readonly string[];
  /** What persons have settled of a key where no desk knows of it, in one line: a program repairs nothing of it then. Default: nothing */
  readonly settled?: (key: string) => Promise<string | undefined>;
  /** Reads all about some keys afresh, and says which of them have drifted. What agrees by now is left out. */
  readonly judge: (keys: readonly string[], look: Look) => Promise<readonly Drift[]>;
}

/** A side that databases have, one that Temporal lists, or none: then all that the other one has is a candidate. */
export type PairSide = Side | RunsOf | 'none';

/** Workflows that have ended, as rows of a side: the newest first, as the server lists them. */
export interface RunsOf {
  readonly executions: {
    readonly workflows: readonly string[];
    /** As the list names it, such as `committed`. */
    readonly state: string;
    /** The key and value of a gid; none, where it is no row. */
    readonly rowOf: (gid: string) => { readonly key: string; readonly value: string } | undefined;
  };
}

/** A kind of drift. */
export interface DriftClass {
  /** One sentence: what it is. */
  readonly what: string;
  /** Absent: nothing that a program could do is safe, and a person has it. */
  readonly repair?: Repair;
}

/** What puts a drift right. */
export interface Repair {
  /** What it does, in a few words. */
  readonly what: string;
  /** What it does comes later, by a message: while that is on its way it counts as repaired. */
  readonly sends?: true;
  /**
   * Does it, once: by operations that the guard knows under the gid that it is given, or that are the transaction's own. What it throws
   * makes it a person's.
   */
  readonly run: (drift: Drift, operation: Operation) => Promise<unknown>;
}

/** One thing that does not agree. */
export interface Drift {
  readonly class: string;
  readonly key: string;
  /** One line for people: what is there, and what should be. */
  readonly detail: string;
  /** What its repair needs. */
  readonly data?: unknown;
  /** This one has no safe repair, though others of its class have: why, in a few words. */
  readonly unsafe?: string;
}

/** What a judge can ask besides databases. */
export interface Look {
  /** How the newest runs of these workflows stand, as the list names it, such as `committed`; absent: the server knows none. */
  readonly statesOf: (gids: readonly string[]) => Promise<ReadonlyMap<string, string>>;
}

import type { Fate, Standing, StartOrder } from '../workflow/fate.js';

/** The lane in which the caller's process drives its transactions itself: `directLane` of `backstitch/direct` makes it. */
export interface DirectLane {
  /** Drives a transaction to its end, or to where somebody else has it. Never throws for what is wrong with a step. */
  drive(order: DirectOrder): Promise<Driven>;
  /** How a transaction stands in the database of this participant. */
  look(home: string, gid: string): Promise<Standing>;
  /**
   * Ends the lane: what is called from now on runs as a workflow. Resolves when no transaction is driven here any more.
   *
   * @param graceMs how long those that are under way may take; then workflows take them over. In milliseconds. Default: 2,000
   */
  close(graceMs?: number): Promise<void>;
}

/** A transaction to be driven. */
export interface DirectOrder {
  readonly gid: string;
  readonly start: StartOrder;
  readonly watcher?: DirectWatcher;
}

/** Who waits for a transaction in the direct lane. */
export interface DirectWatcher {
  /** Nobody waits for it any more: if it has not begun, it does not begin. */
  isGone(): boolean;
  /** Told when its turn has come: from here on it goes on, whoever waits. */
  begun(): void;
  /** Told when it goes on whatever becomes of this process. */
  announced(): void;
  /** Told when it is decided that it is undone. */
  undoing(): void;
}

/** How far a transaction was driven. */
export type Driven =
  | { readonly how: 'ended'; readonly fate: Fate }
  /** It is the workflow's to drive on, which is to be started: it finds all it needs in the database of `home`. */
  | { readonly how: 'handed-over'; readonly home: string; readonly announced: boolean; readonly why: Error }
  /** Somebody else has it; `announced`: though it was announced here. */
  | { readonly how: 'elsewhere'; readonly home: string; readonly announced: boolean; readonly fate?: Fate }
  /** Nothing was asked of anybody: it is not one for this process. */
  | { readonly how: 'not-begun'; readonly why: Error }
  /** Nothing was asked of anybody, as its turn has not come. */
  | { readonly how: 'no-turn'; readonly why: string };

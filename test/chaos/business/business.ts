import type { Client } from '@temporalio/client';
import type { TemporalSettings } from '../../../src/config.js';
import type { FoundState } from '../../../src/kit/client/index.js';
import type { CallPlan, LaneChoice } from '../faults.js';

/** The transactions that customers ask for, by name. */
export type TransactionName =
  'placeOrder' | 'transferSaga' | 'transferSagaLocked' | 'transferTcc' | 'transfer2pc' | 'transfer3pc' | MixedName;

/** Those that are asked for only where everything is mixed. Not all of them are transactions with a workflow of their own. */
export type MixedName =
  | 'placeOrderTcc'
  | 'placeOrderChoreographed'
  | 'orderByStateTable'
  | 'orderLifecycle'
  | 'salePurchase'
  | 'buyBook'
  | 'transferOutbox'
  | 'transferMessage'
  | 'transferByStateTable';

/** What one customer wants. */
export interface Wanted {
  readonly gid: string;
  readonly transaction: TransactionName;
  readonly input: unknown;
  readonly plan: CallPlan;
}

/** Where to look, past the proxies. */
export interface Place {
  readonly client: Client;
  readonly temporal: TemporalSettings;
  readonly databaseUrl: (service: string) => string;
}

/** What customers ask for in a run, and what has to be so of it in the databases when all is over. */
export interface Business {
  /** What its transactions begin with: the database of that guard keeps the fate of those without a workflow. */
  readonly first: readonly { readonly branch: string; readonly services: readonly string[] }[];
  /** The transactions that are asked for, each as often as every other; one that is named twice is asked for twice as often. */
  readonly mix: readonly TransactionName[];
  /** What so many customers want: a pure function of the seed. */
  wanted(seed: number, count: number, lane: LaneChoice): Promise<readonly Wanted[]>;
  /** Opens what they ask of. */
  open(place: Place, wanted: readonly Wanted[]): Promise<void>;
  /** What schedules do in a shop of its own accord, for as long as the run goes on. */
  meanwhile?(place: Place, signal: AbortSignal): Promise<void>;
  /** What is still to come when all customers have their answer: has it come, or waits for it. */
  settle?(place: Place, signal: AbortSignal): Promise<void>;
  /** The ends of those that neither a workflow nor a guard tells, by gid: of what is absent those tell. */
  ends?(place: Place, wanted: readonly Wanted[]): Promise<ReadonlyMap<string, FoundState>>;
  /**
   * How far each transaction has come in the databases, by gid. Absent: nothing is there of it.
   *
   * - `done`: all of it;
   * - `undone`: what was there was taken back;
   * - otherwise what is there, in a word.
   */
  rows(place: Place, wanted: readonly Wanted[]): Promise<ReadonlyMap<string, string>>;
  /** What has to be so at every moment, in the midst of a run too: a line for each thing that is not. */
  always(place: Place, wanted: readonly Wanted[]): Promise<readonly string[]>;
  /** What no run may leave behind, whatever came of it: a line for each. */
  leftovers(place: Place): Promise<readonly string[]>;
}

import { setTimeout as sleep } from 'node:timers/promises';
import type { Operation } from '../../workflow/branch.js';
import { decidedBy, type GuardDecision } from '../decided.js';
import { messageOf } from '../message.js';
import { NoAnswer, within } from '../within.js';
import type { StateLimits } from './limits.js';
import type { StateFailure, StateRow } from '../../workflow/state-table/row.js';
import { branchOf } from './states.js';

/** A participant's forward operation: idempotent by gid and branch, as the guard of its own database makes it. */
export type StateOperation<Input = never> = (operation: Operation, input: Input) => Promise<unknown>;

/** What a call has come to. */
export type Called =
  | { readonly known: 'done'; readonly result: unknown }
  /** `isFinal`: whoever asks again hears the same. */
  | { readonly known: 'failed'; readonly failure: StateFailure; readonly isFinal: boolean };

/** Who calls, and for how long. */
export interface Caller {
  /** Fresh for each: the row knows it by this. */
  readonly driver: string;
  readonly who: string;
  /** Attempts of one operation. */
  readonly attempts: number;
  /** When it ends, by `performance.now()`. */
  readonly until: number;
  readonly signal?: AbortSignal;
  /** A person has asked for it: it goes on with a row that is an error. */
  readonly forPerson?: true;
}

/** What a guard says of an operation of which nothing happened, nor can. */
const NOTHING_HAPPENED: readonly Kind[] = ['rejected', 'suspended', 'barred'];
/** What it says of a branch that is another's, or has another's end: what has happened there a person has to see. */
const ANOTHERS: readonly Kind[] = ['mismatch', 'decided', 'undone'];
type Kind = GuardDecision['detail']['backstitch'];

/** An attempt with less than this is not begun: nobody would wait for its answer. */
const LEAST_MS = 50;

/**
 * Calls an operation of a row until it is definite, or the attempts or the time are over. Never rejects: whatever an operation
 * throws says what is known of it.
 */
export async function callOperation(
  work: StateOperation | undefined,
  row: StateRow,
  index: number,
  caller: Caller,
  limits: StateLimits,
): Promise<Called> {
  const { signal } = caller;
  let failure: StateFailure = { known: 'unknown', type: 'OutOfTime', message: 'it was not called: the time is over' };
  for (let attempt = 1; attempt <= caller.attempts; attempt++) {
    if (attempt > 1 && !(await waitFor(backoff(limits, attempt), caller))) break;
    const left = caller.until - performance.now();
    if (left < LEAST_MS || signal?.aborted === true) break;
    const called = await callOnce(work, row, index, {
      ...caller,
      attempt,
      timeoutMs: Math.min(limits.attemptMs, left),
    });
    if (called.known === 'done' || called.isFinal) return called;
    ({ failure } = called);
  }
  return { known: 'failed', failure, isFinal: false };
}

function backoff({ backoffMs }: StateLimits, attempt: number): number {
  return backoffMs[Math.min(attempt - 2, backoffMs.length - 1)] ?? 0;
}

/** @returns whether there is time for another attempt after it */
async function waitFor(ms: number, { until, signal }: Caller): Promise<boolean> {
  if (performance.now() + ms + LEAST_MS > until) return false;
  return sleep(ms, true, { signal }).catch(() => false);
}

/** One attempt. @param settle it is not done any more: what was done is answered, what was not is barred */
export async function callOnce(
  work: StateOperation | undefined,
  { gid, calls }: Pick<StateRow, 'gid' | 'calls'>,
  index: number,
  by: Pick<Caller, 'driver' | 'who' | 'signal'> & { readonly attempt: number; readonly timeoutMs: number },
  settle?: true,
): Promise<Called> {
  const call = calls[index];
  if (call === undefined || work === undefined) {
    const message = `this process has no operation '${call?.operation ?? ''}'`;
    return { known: 'failed', failure: { known: 'unknown', type: 'UnknownOperation', message }, isFinal: false };
  }
  const over = new AbortController();
  const signal = by.signal === undefined ? over.signal : AbortSignal.any([over.signal, by.signal]);
  const operation: Operation = {
    ...{ gid, branch: branchOf(call), op: 'action', scheme: 'state', seq: index + 1 },
    ...{ function: `${call.operation}.action`, driver: by.driver, who: by.who },
    ...{ attempt: by.attempt, timeoutMs: Math.floor(by.timeoutMs), signal, ...(settle && { settle }) },
  };
  try {
    const answer = work(operation, call.input as never);
    const result = await within(operation.timeoutMs, Promise.race([answer, stopped(by.signal, over.signal)]));
    return { known: 'done', result };
  } catch (error) {
    const decision = error instanceof Error ? decidedBy(error, 'action') : undefined;
    const message = messageOf(error);
    const says = (kinds: readonly Kind[]) => decision !== undefined && kinds.includes(decision.detail.backstitch);
    const known = says(NOTHING_HAPPENED) ? 'refused' : 'unknown';
    const other = error instanceof NoAnswer ? 'Timeout' : error instanceof Error ? error.name : 'Error';
    const failure = { known, type: decision?.type ?? other, message } as const;
    return { known: 'failed', failure, isFinal: known === 'refused' || says(ANOTHERS) };
  } finally {
    over.abort();
  }
}

/** Rejects when nobody waits any more. @param over ends the wait */
function stopped(signal: AbortSignal | undefined, over: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = () => {
      reject(new Error('nobody waits for its answer any more'));
    };
    signal?.addEventListener('abort', onAbort, { once: true, signal: over });
  });
}

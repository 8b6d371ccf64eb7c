import type { Operation } from '../../workflow/branch.js';
import { Rejection, StoredRejection } from '../rejection.js';
import type { Sql } from '../sql.js';
import type { Probe } from './guard.js';
import { fromJson, toJson, toLog } from './json.js';
import { limitsOf } from './limits.js';
import type { Absent, Question } from './outbound-decide.js';
import type { AnyRequest, OutboundOptions, Sending } from './outbound-request.js';
import { beginAnew, conclude } from './outbound-statements.js';

/**
 * Asks the other side, outside any SQL transaction, and stores what it answers.
 */

/** What is asked, and how. */
export interface Asking {
  readonly operation: Operation;
  readonly question: Question;
  readonly request: AnyRequest;
  /** When the answer must be there, by `performance.now()`. */
  readonly until: number;
  readonly probe: Probe;
  readonly options: Pick<OutboundOptions, 'quietMs'>;
}

/** The share of an attempt's time in which an answer that is there can be stored, whether anybody waits for it or not. */
const STORING_SHARE = 0.2;

/**
 * @returns the operation's answer; or nothing of it, when the rows have to be looked at again
 * @throws the rejection of the other side, or what says that nothing is known
 */
export async function ask(run: Sql, asking: Asking): Promise<{ answer: unknown } | { absent?: Absent }> {
  const { operation, question, options } = asking;
  const { gid, branch, timeoutMs } = operation;
  const { phase, round, own, sendingUntil } = question;
  const limits = limitsOf({ timeoutMs: timeoutMs * STORING_SHARE });
  let found: { readonly result: unknown } | undefined;
  try {
    found = await bounded(asking);
  } catch (error) {
    if (!(error instanceof Rejection)) throw error;
    const { type, message, stack } = error;
    const failure = toLog({ type, message });
    if (phase === 2) {
      await run(beginAnew, [gid, branch, phase, round, failure, ...limits]);
      if (question.stale) return {};
      throw error;
    }
    const stored = await run(conclude, [gid, branch, phase, round, 'rejected', null, failure, ...limits]);
    if (own && stored.length > 0) throw Object.assign(new StoredRejection(type, message), { stack });
    return {};
  }
  if (found === undefined) {
    if (question.quietForMs >= (options.quietMs ?? Infinity)) return { absent: { phase, round, sendingUntil } };
    throw new Error(
      `'${question.key}' of branch '${branch}' in ${gid} is not at the other side, but may be on its way still: try again`,
    );
  }
  const json = toJson(found.result);
  const stored = await run(conclude, [gid, branch, phase, round, 'applied', json, null, ...limits]);
  return own && stored.length > 0 ? { answer: fromJson(json) } : {};
}

/** Sends or looks up, for no longer than the answer can be used. */
async function bounded({ operation, question, request, until, probe }: Asking) {
  const { key, how, args } = question;
  const { gid, branch, signal } = operation;
  signal.throwIfAborted();
  const ms = until - performance.now();
  if (ms <= 0) throw new Error(`'${key}' of branch '${branch}' in ${gid} is not sent, as its time is over: try again`);
  const given = new AbortController();
  const stop = () => {
    given.abort(signal.reason);
  };
  signal.addEventListener('abort', stop);
  const timer = setTimeout(() => {
    given.abort(new Error(`the other side did not answer '${key}' within ${Math.round(ms)} ms`));
  }, ms);
  const stopped = new Promise<never>((_, reject) => {
    given.signal.addEventListener('abort', () => {
      reject(given.signal.reason as Error);
    });
  });
  const sending: Sending = { key, signal: given.signal };
  const asked = async () => {
    if (how === 'lookUp') return request.lookUp?.(sending, ...(args as never[]));
    await probe('working', operation);
    const result = await request.send(sending, ...(args as never[]));
    await probe('worked', operation);
    return { result };
  };
  try {
    return await Promise.race([asked(), stopped]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

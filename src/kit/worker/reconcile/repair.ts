import { messageOf } from '../../database/message.js';
import type { Drift, Pair } from '../../database/reconcile/pair.js';
import { findingId, type Finding, type RepairOrder } from '../../workflow/reconcile/reconcile.js';
import type { Operation } from '../../workflow/branch.js';
import { flightOf, lookOf, settledAs, type Judging } from './judge.js';

/** How long one repair may take, in milliseconds. */
const TIMEOUT_MS = 20_000;

/**
 * Repairs findings, one after the other: each is looked at again before, as it may agree by now or be on its way, and after: what still
 * does not agree was not repaired. The guard's row of a repair is under the finding's own id, so it is done once, whoever asks for it; it
 * says who, and why, and the compensation log has it from there.
 */
export async function repairFindings(
  pair: Pair,
  findings: readonly Finding[],
  by: Pick<RepairOrder, 'actor' | 'reason'>,
  judging: Judging,
): Promise<Finding[]> {
  const done: Finding[] = [];
  for (const finding of findings) {
    judging.signal.throwIfAborted();
    done.push(finding.state === 'repairable' ? await repairOne(pair, finding, by, judging) : finding);
  }
  return done;
}

async function repairOne(
  pair: Pair,
  finding: Finding,
  { actor, reason }: Pick<RepairOrder, 'actor' | 'reason'>,
  judging: Judging,
): Promise<Finding> {
  const { class: name, key } = finding;
  const found = async (): Promise<Drift | undefined> =>
    (await pair.judge([key], lookOf(judging.client))).find((each) => each.class === name);
  /** The same, unless it is on its way. */
  const left = async (): Promise<Drift | 'flying' | undefined> => {
    const drift = await found();
    if (drift === undefined) return undefined;
    return (await flightOf(pair, new Set([key]), judging)).size > 0 ? 'flying' : drift;
  };
  try {
    const before = await left();
    if (before === undefined) return { ...finding, state: 'repaired', note: 'it agrees by now' };
    // Nothing was done, and whether it will agree nobody knows yet: it stays a finding.
    if (before === 'flying')
      return { ...finding, note: 'a transaction of it is on its way: repair it when that has ended' };
    // Looked at at the last moment: the lists that a finding was made by are behind.
    const settled = await settledAs(pair, finding, judging);
    if (settled !== undefined) return settled;
    if (before.unsafe !== undefined) return { ...finding, state: 'told', note: before.unsafe };
    const operation: Operation = {
      ...{ gid: findingId(finding), branch: 'repair', op: 'action', scheme: 'reconcile', seq: 1 },
      ...{ function: `reconcile.${name}`, driver: 'backstitch.reconcile', who: `${actor}: ${reason}` },
      ...{ attempt: 1, timeoutMs: TIMEOUT_MS, signal: judging.signal },
    };
    await pair.classes[name]?.repair?.run(before, operation);
    // What was just done is young: it is no sign that anything else is on its way, but for what it has sent.
    const after = pair.classes[name]?.repair?.sends ? await left() : await found();
    // What it has sent is on its way.
    if (after === undefined || after === 'flying') return { ...finding, state: 'repaired' };
    return { ...finding, state: 'not-repaired', note: 'it was repaired before, or its repair was not enough' };
  } catch (error) {
    judging.signal.throwIfAborted();
    return { ...finding, state: 'not-repaired', note: messageOf(error) };
  }
}

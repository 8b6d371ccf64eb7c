import { leftBy, type DeskAction, type DeskDecision, type DeskOrder } from '../desk.js';
import type { FailureNote, TransactionReport } from '../failure.js';
import type { AgentStatus, Telling } from './protocol.js';
import { isGone, type BranchRecord, type ThreePhaseDriver } from './record.js';
import { isAtAnotherDesk, SPLIT, splitOf } from './split.js';

/** How the agents of a three-phase commit end: that is learnt of each, and compared; where they differ a person decides. */
export class Ending {
  readonly #driver: ThreePhaseDriver;
  readonly #records: readonly BranchRecord[];
  readonly #decisions: readonly DeskDecision[];

  /** @param decisions what persons decided in earlier runs */
  constructor(driver: ThreePhaseDriver, records: readonly BranchRecord[], decisions: readonly DeskDecision[] = []) {
    this.#driver = driver;
    this.#records = records;
    this.#decisions = decisions;
  }

  /** Waits for how an agent ended, telling it meanwhile what it should; what cannot be learnt in a window a person has to say. */
  async learn(record: BranchRecord, message: 'doCommit' | 'abort' | 'outcome'): Promise<void> {
    const op = message === 'doCommit' ? 'commit' : 'rollback';
    // Who only asks has decided nothing.
    if (message !== 'outcome') this.begin(record, op);
    for (;;) {
      const failure = await this.#hear(record, message);
      if (failure === undefined) return;
      const { action, result } = await this.#park(record, op, failure, ['retry', 'resolve'], ENDS);
      if (action === 'retry') continue;
      // Who does not say how it ended means that it did what it was told.
      const state = ENDS.find((each) => each === result) ?? (op === 'commit' ? 'committed' : 'aborted');
      record.status = { state, by: 'person' };
      record.second = { op: state === 'committed' ? 'commit' : 'rollback', state: 'resolved' };
      this.#driver.changed();
      return;
    }
  }

  /** Asks how an agent ended, and notes it. @returns why that is not known */
  async #hear(record: BranchRecord, message: Telling['message']): Promise<FailureNote | undefined> {
    try {
      const status = await this.#driver.tell(record, message, 'patiently');
      if (isGone(record, status)) return GONE;
      // Who can have an agent started that is not there is never told that: it is not known, then, whether it ever was.
      if (message === 'outcome' && status.by === 'nobody') return NEVER_OR_GONE;
      this.note(record, status);
      return undefined;
    } catch (error) {
      const { type, message: why } = this.#driver.judge(error);
      return { type, message: `its participant cannot be reached, so it is not known how it decided: ${why}` };
    }
  }

  /** It is decided what a branch is told. */
  begin(record: BranchRecord, op: 'commit' | 'rollback'): void {
    record.second = { op, state: 'running' };
    this.#driver.changed();
  }

  /** An agent has come to its end. */
  note(record: BranchRecord, status: AgentStatus): void {
    record.status = status;
    record.endedAt = this.#driver.now();
    if (record.vote === 'running') record.vote = status.state === 'committed' ? 'succeeded' : 'rejected';
    const op = status.state === 'committed' ? 'commit' : 'rollback';
    record.second = { op, state: 'done', ...(status.failure && { failure: status.failure }) };
    this.#driver.changed();
  }

  /** All have ended: what they decided alike is how it ended, whatever was meant. Where they differ, who committed is a case. */
  async compare(): Promise<'committed' | 'compensated' | 'failed'> {
    const committed = this.#records.filter(({ status }) => status?.state === 'committed');
    if (committed.length === this.#records.length) return 'committed';
    if (committed.length > 0) await this.#decide(committed);
    return this.#records.some(({ second }) => second?.state === 'skipped') ? 'failed' : 'compensated';
  }

  /** A split is one case: what a person decides of it at another desk counts here. */
  async #decide(committed: readonly BranchRecord[]): Promise<void> {
    const found = await this.#elsewhere(committed);
    if ('failure' in found) {
      await Promise.all(committed.map((record) => this.#park(record, 'rollback', found.failure, ['resolve', 'skip'])));
      return;
    }
    for (const record of committed) {
      const left = found.report.notUndone.find(({ step }) => step === record.branch);
      record.second = { op: 'rollback', ...(left ? { state: 'skipped', failure: left } : { state: 'resolved' }) };
    }
    this.#driver.changed();
  }

  /** How this split ended at another desk; or what a person is told of it here. */
  async #elsewhere(
    committed: readonly BranchRecord[],
  ): Promise<{ readonly report: TransactionReport } | { readonly failure: FailureNote }> {
    const failure = splitOf(this.#records);
    const told = (more: string) => ({ failure: { ...failure, message: `${failure.message}; ${more}` } });
    try {
      const report = await this.#driver.elsewhere();
      if (report === undefined) return { failure };
      // A person may have said of one that could not be reached then what it has not done.
      const known = report.split ?? [];
      const isSame = known.length === committed.length && committed.every(({ branch }) => known.includes(branch));
      return isSame ? { report } : told(`where they were compared before, ${known.join(', ') || 'none'} had committed`);
    } catch (error) {
      const why = this.#driver.judge(error);
      if (isAtAnotherDesk(why)) return told(`decide it first at the desk where it was found: ${why.message}`);
      return told(`whether it was found before is not known: ${why.message}`);
    }
  }

  /** Lets a person decide about a branch, unless one has in an earlier run. */
  async #park(
    record: BranchRecord,
    op: 'commit' | 'rollback',
    failure: FailureNote,
    fits: readonly DeskAction[],
    results?: readonly string[],
  ): Promise<Pick<DeskOrder, 'action' | 'result'>> {
    const { branch, operation, summary, input } = record;
    const before = failure.type === SPLIT ? this.#decidedBefore(branch, op) : undefined;
    if (before === undefined) record.second = { op, state: 'parked', failure };
    const order =
      before ??
      (await this.#driver.desk.park({
        ...{ branch, op, operation, input, failure, takesInput: false, ...(results && { results }) },
        summary: `${op}: ${summary}`,
        fits: () => fits,
      }));
    if (order === undefined) throw new Error('a case of a three-phase commit is decided, never withdrawn');
    if (order.action === 'retry') record.second = { op, state: 'running' };
    else if (order.action === 'resolve') record.second = { op, state: 'resolved' };
    else record.second = { op, state: 'skipped', failure: leftBy(order) };
    this.#driver.changed();
    return order;
  }

  #decidedBefore(branch: string, op: 'commit' | 'rollback'): DeskDecision | undefined {
    return this.#decisions.findLast((note) => note.branch === branch && note.op === op && note.action !== 'retry');
  }
}

/** How an agent may have ended, as a person says it. */
const ENDS = ['committed', 'aborted'] as const;

export const GONE: FailureNote = {
  type: 'AgentGone',
  message:
    "its agent was there, and its server does not know it any more: the guard's row in its database tells what it did",
};

const NEVER_OR_GONE: FailureNote = {
  type: 'AgentGone',
  message:
    "its server does not know its agent, any more or at all: the guard's row in its database tells what it did; without one it has done nothing",
};

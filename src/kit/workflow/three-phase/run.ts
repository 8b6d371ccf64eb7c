import type { Knowledge, TransactionState } from '../branch.js';
import { leftBy, type Desk, type DeskAction, type DeskDecision } from '../desk.js';
import type { CauseNote, FailureNote, TransactionReport } from '../failure.js';
import type { Settle } from '../saga/definition.js';
import type { Judgement } from '../saga/driver.js';
import type { SecondState } from '../view.js';
import { isEnded, type AgentStatus, type Telling, type ThreePhaseBranch, type Times } from './protocol.js';
import { SPLIT, splitOf } from './split.js';

/** What carries a run: a workflow, or a test. */
export interface ThreePhaseDriver {
  readonly gid: string;
  readonly desk: Desk;
  readonly times: Times;
  /** When all have to be prepared, in milliseconds since 1970. */
  readonly deadlineAt?: number;
  /** Milliseconds since 1970. */
  now(): number;
  /**
   * Says something to the agent of a branch, or waits for its outcome: within so many milliseconds, or patiently, for a window.
   * Rejects where it is not known what became of it.
   */
  tell(branch: BranchRecord, message: Telling['message'], within: number | 'patiently'): Promise<AgentStatus>;
  /** Says what is known of a message that failed. */
  judge(error: unknown): Judgement;
  /** Told after each change. */
  changed(): void;
}

/** One branch, and all that is known of it. */
export interface BranchRecord extends ThreePhaseBranch {
  readonly seq: number;
  startedAt: number;
  endedAt?: number;
  /** What is known of its vote: the answers to `canCommit` and `preCommit`. */
  vote: 'running' | Knowledge;
  failure?: FailureNote;
  second?: { readonly op: 'commit' | 'rollback'; state: SecondState; failure?: FailureNote };
  /** Where its agent stands, as far as it is known. */
  status?: AgentStatus;
}

/**
 * The coordinator of a three-phase commit, whoever drives it.
 *
 * States: `running` → `committed`; `running` → `compensating` → `compensated` | `failed` | `committed`; `stuck` while a person has to decide.
 *
 * Transitions:
 * - `canCommit` to all at once. A no, or no answer in time: abort.
 * - `preCommit` to one after the other, in one order for all transactions, as they take locks: by the participants' names. A no, or no answer in time: abort. They all have to be done while the first agent's timer has time
 *   left for an abort to arrive. A cancellation counts until the last of them has answered.
 * - All are prepared: it is decided that all commit. `doCommit` to one after the other, so that a no of the first is no split; who
 *   does not answer is asked again after the others. A no (what was prepared is gone): abort to all that have not committed.
 * - Abort: to all at once, for as long as it takes to hear how each ended. An agent that never was has aborted.
 * - All have ended, and it is compared what they decided. Agents have timers of their own and do not wait for the coordinator: they
 *   may all have committed after all, and they may differ. That is a **split**: each branch that committed though not all did waits
 *   for a person, with who decided what.
 * - Run again after its run was ended from outside (settled), it tells nobody anything: the agents have decided, or soon will, and
 *   what was on its way is not known. It waits for how each ended, and compares. An agent that its server does not know (any more)
 *   is started as one that settles: its participant's guard tells what it did, or makes sure that it never does anything.
 *
 * Invariant: it never says that all committed, or that none did, unless each agent has said so. `failed` is left only by a person.
 */
export class ThreePhaseRun {
  readonly records: readonly BranchRecord[];
  readonly #driver: ThreePhaseDriver;
  readonly #settle: Settle | undefined;
  #phase: Exclude<TransactionState, 'stuck'> = 'running';
  #stopped: FailureNote | undefined;
  #cause: CauseNote | undefined;

  /** @param branches in the order of all transactions */
  constructor(driver: ThreePhaseDriver, branches: readonly ThreePhaseBranch[], settle?: Settle) {
    this.#driver = driver;
    this.#settle = settle;
    const startedAt = driver.now();
    this.records = branches.map((branch, index) => ({ ...branch, seq: index + 1, startedAt, vote: 'running' }));
  }

  get state(): TransactionState {
    return this.#driver.desk.isEmpty ? this.#phase : 'stuck';
  }

  /** Why it is not committed, from the moment that this is decided. */
  get report(): TransactionReport | undefined {
    const cause = this.#cause;
    if (cause === undefined) return undefined;
    const isUndone = ({ second }: BranchRecord) => second?.state === 'done' || second?.state === 'resolved';
    return {
      ...{ gid: this.#driver.gid, scheme: '3pc', state: this.state, cause },
      undone: this.records.filter(isUndone).map(({ branch }) => branch),
      notUndone: this.records
        .filter((record) => !isUndone(record))
        .map(({ branch, second }) => ({ step: branch, ...(second?.failure ?? UNDER_WAY) })),
    };
  }

  /** Aborts, unless all are prepared. */
  stop(why: FailureNote): void {
    this.#stopped ??= why;
  }

  /** Says why it cannot be stopped any more, if so. */
  get beyondStop(): string | undefined {
    if (this.#settle !== undefined) return 'it is being settled';
    if (this.#phase !== 'running') return `it is ${this.#phase}`;
    return this.records.some(({ second }) => second !== undefined) ? 'it is decided that all commit' : undefined;
  }

  /** From the first question until every agent has ended, and a person has decided where they differ. */
  async execute(): Promise<void> {
    if (this.#settle !== undefined) return this.#compare(this.#settle);
    const cause = (await this.#prepareAll()) ?? (await this.#commitAll());
    if (cause === undefined) {
      this.#enter('committed');
      return;
    }
    this.#undo(cause);
    const open = this.records.filter(({ status }) => status === undefined || !isEnded(status));
    await Promise.all(open.map((record) => this.#learn(record, 'abort')));
    return this.#end();
  }

  async #prepareAll(): Promise<CauseNote | undefined> {
    const driver = this.#driver;
    const { times } = driver;
    const noes = await Promise.all(this.records.map((record) => this.#ask(record, 'canCommit', times.answerMs)));
    const no = noes.find((each) => each !== undefined);
    if (no !== undefined) return no;
    const until = driver.now() + times.timeoutMs - times.answerMs;
    for (const record of this.records) {
      const leftMs = Math.min(until - driver.now(), times.answerMs);
      if (leftMs <= 0) return { step: record.branch, ...LATE };
      const refused = this.#stop() ?? (await this.#ask(record, 'preCommit', leftMs));
      if (refused !== undefined) return refused;
    }
    return this.#stop();
  }

  /** Why it has to stop, if so. Nothing but a message takes time: no timer is needed to see that the deadline has passed. */
  #stop(): FailureNote | undefined {
    const { deadlineAt } = this.#driver;
    if (deadlineAt !== undefined && this.#driver.now() >= deadlineAt) {
      this.stop({
        type: 'DeadlineExceeded',
        message: `not all were prepared by ${new Date(deadlineAt).toISOString()}`,
      });
    }
    return this.#stopped;
  }

  /** Asks for a vote. @returns why it is no yes */
  async #ask(
    record: BranchRecord,
    message: 'canCommit' | 'preCommit',
    withinMs: number,
  ): Promise<CauseNote | undefined> {
    const failure = await this.#vote(record, message, withinMs);
    record.endedAt = this.#driver.now();
    if (failure !== undefined) record.failure = { type: failure.type, message: failure.message };
    record.vote = failure?.knowledge ?? (message === 'canCommit' ? 'running' : 'succeeded');
    this.#driver.changed();
    return failure && { step: record.branch, ...failure };
  }

  async #vote(
    record: BranchRecord,
    message: 'canCommit' | 'preCommit',
    withinMs: number,
  ): Promise<(FailureNote & { knowledge: 'rejected' | 'unknown' }) | undefined> {
    try {
      const status = (record.status = await this.#driver.tell(record, message, withinMs));
      if (status.state !== 'aborted') return undefined;
      this.#note(record, status);
      return { knowledge: 'rejected', ...(status.failure ?? aborted(status)) };
    } catch (error) {
      const { type, message: why } = this.#driver.judge(error);
      return { knowledge: 'unknown', type, message: `no answer to ${message}: ${why}` };
    }
  }

  async #commitAll(): Promise<CauseNote | undefined> {
    const silent: BranchRecord[] = [];
    for (const record of this.records) {
      this.#begin(record, 'commit');
      try {
        const status = await this.#driver.tell(record, 'doCommit', this.#driver.times.answerMs);
        if (isGone(record, status)) silent.push(record);
        else this.#note(record, status);
      } catch (error) {
        this.#driver.judge(error);
        silent.push(record);
      }
      const refused = this.#refusal(record);
      if (refused !== undefined) return refused;
    }
    await Promise.all(silent.map((record) => this.#learn(record, 'doCommit')));
    return silent.map((record) => this.#refusal(record)).find((refused) => refused !== undefined);
  }

  #refusal({ branch, status }: BranchRecord): CauseNote | undefined {
    if (status?.state !== 'aborted') return undefined;
    return { step: branch, knowledge: 'rejected', ...(status.failure ?? aborted(status)) };
  }

  /** Waits for how an agent ended, telling it meanwhile what it should; what cannot be learnt in a window a person has to say. */
  async #learn(record: BranchRecord, message: 'doCommit' | 'abort' | 'outcome'): Promise<void> {
    const op = message === 'doCommit' ? 'commit' : 'rollback';
    this.#begin(record, op);
    for (;;) {
      const failure = await this.#hear(record, message);
      if (failure === undefined) return;
      const action = await this.#park(record, op, failure, ['retry', 'resolve']);
      if (action === 'retry') continue;
      record.status = { state: op === 'commit' ? 'committed' : 'aborted', by: 'person' };
      return;
    }
  }

  /** Asks how an agent ended, and notes it. @returns why that is not known */
  async #hear(record: BranchRecord, message: Telling['message']): Promise<FailureNote | undefined> {
    try {
      const status = await this.#driver.tell(record, message, 'patiently');
      if (isGone(record, status)) return GONE;
      this.#note(record, status);
      return undefined;
    } catch (error) {
      const { type, message: why } = this.#driver.judge(error);
      return { type, message: `its participant cannot be reached, so it is not known how it decided: ${why}` };
    }
  }

  #begin(record: BranchRecord, op: 'commit' | 'rollback'): void {
    record.second = { op, state: 'running' };
    this.#driver.changed();
  }

  #note(record: BranchRecord, status: AgentStatus): void {
    record.status = status;
    record.endedAt = this.#driver.now();
    if (record.vote === 'running') record.vote = status.state === 'committed' ? 'succeeded' : 'rejected';
    const op = status.state === 'committed' ? 'commit' : 'rollback';
    record.second = { op, state: 'done', ...(status.failure && { failure: status.failure }) };
    this.#driver.changed();
  }

  /** Nobody coordinates any more: what each has decided is found, and compared. */
  async #compare({ reason, cause }: Settle): Promise<void> {
    await Promise.all(this.records.map((record) => this.#learn(record, 'outcome')));
    this.#undo(cause ?? { type: 'Terminated', message: reason });
    return this.#end();
  }

  #undo(cause: CauseNote): void {
    this.#cause = cause;
    this.#enter('compensating');
  }

  /** All have ended: what they decided alike is how it ended, whatever was meant. Where they differ, who committed is a case. */
  async #end(): Promise<void> {
    const committed = this.records.filter(({ status }) => status?.state === 'committed');
    if (committed.length === this.records.length) {
      this.#cause = undefined;
      this.#enter('committed');
      return;
    }
    if (committed.length > 0) {
      const failure = splitOf(this.records);
      await Promise.all(committed.map((record) => this.#park(record, 'rollback', failure, ['resolve', 'skip'])));
    }
    const left = this.records.some(({ second }) => second?.state === 'skipped');
    this.#enter(left ? 'failed' : 'compensated');
  }

  /** Lets a person decide about a branch, unless one has in an earlier run. */
  async #park(
    record: BranchRecord,
    op: 'commit' | 'rollback',
    failure: FailureNote,
    fits: readonly DeskAction[],
  ): Promise<DeskAction> {
    const { branch, operation, summary, input } = record;
    const before = failure.type === SPLIT ? this.#decidedBefore(branch, op) : undefined;
    if (before === undefined) record.second = { op, state: 'parked', failure };
    const order =
      before ??
      (await this.#driver.desk.park({
        ...{ branch, op, operation, input, failure, takesInput: false },
        summary: `${op}: ${summary}`,
        fits: () => fits,
      }));
    if (order === undefined) throw new Error('a case of a three-phase commit is decided, never withdrawn');
    if (order.action === 'retry') record.second = { op, state: 'running' };
    else if (order.action === 'resolve') record.second = { op, state: 'resolved' };
    else record.second = { op, state: 'skipped', failure: leftBy(order) };
    this.#driver.changed();
    return order.action;
  }

  #decidedBefore(branch: string, op: 'commit' | 'rollback'): DeskDecision | undefined {
    return this.#settle?.decisions?.findLast(
      (note) => note.branch === branch && note.op === op && note.action !== 'retry',
    );
  }

  #enter(phase: Exclude<TransactionState, 'stuck'>): void {
    this.#phase = phase;
    this.#driver.changed();
  }
}

/** Whether an agent is not there any more that was there before: how it ended is not known then. */
function isGone({ status: before }: BranchRecord, { by }: AgentStatus): boolean {
  return by === 'nobody' && before !== undefined;
}

const GONE: FailureNote = {
  type: 'AgentGone',
  message:
    "its agent was there, and its server does not know it any more: the guard's row in its database tells what it did",
};

const LATE: FailureNote = { type: 'Timeout', message: 'the preCommits before it took all the time that there was' };

const UNDER_WAY: FailureNote = { type: 'NotUndone', message: 'its abort is under way' };

function aborted({ by = 'coordinator' }: AgentStatus): FailureNote {
  return { type: 'Aborted', message: by === 'nobody' ? 'its agent does not exist' : `it was aborted, by ${by}` };
}

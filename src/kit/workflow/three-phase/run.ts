import type { TransactionState } from '../branch.js';
import type { CauseNote, FailureNote, TransactionReport } from '../failure.js';
import type { Settle } from '../saga/definition.js';
import { Ending, GONE } from './ending.js';
import { isEnded, type ThreePhaseBranch } from './protocol.js';
import { aborted, isGone, type BranchRecord, type ThreePhaseDriver } from './record.js';

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
 * - Abort: to all at once, for as long as it takes to hear how each ended. An agent that never was has aborted. It is `compensating`
 *   when the first has said so: until then all may yet commit by themselves, and nobody is told that they do not.
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
  readonly #ending: Ending;
  #ended: 'committed' | 'compensated' | 'failed' | undefined;
  #stopped: FailureNote | undefined;
  #cause: CauseNote | undefined;

  /** @param branches in the order of all transactions */
  constructor(driver: ThreePhaseDriver, branches: readonly ThreePhaseBranch[], settle?: Settle) {
    this.#driver = driver;
    this.#settle = settle;
    const startedAt = driver.now();
    this.records = branches.map((branch, index) => ({ ...branch, seq: index + 1, startedAt, vote: 'running' }));
    this.#ending = new Ending(driver, this.records, settle?.decisions);
  }

  get state(): TransactionState {
    if (!this.#driver.desk.isEmpty) return 'stuck';
    return this.#ended ?? (this.#isDecided ? 'compensating' : 'running');
  }

  /**
   * Whether it is certain that not all commit. That the coordinator has told them to abort is not enough: those who do not hear it
   * decide by themselves, and may all commit.
   */
  get #isDecided(): boolean {
    return this.#cause !== undefined && this.records.some(({ status }) => status?.state === 'aborted');
  }

  /** Why it is not committed, from the moment that this is decided. */
  get report(): TransactionReport | undefined {
    const cause = this.#cause;
    if (cause === undefined || !this.#isDecided) return undefined;
    const isUndone = ({ second }: BranchRecord) =>
      second?.op === 'rollback' && (second.state === 'done' || second.state === 'resolved');
    return {
      ...{ gid: this.#driver.gid, scheme: '3pc', state: this.state, cause },
      undone: this.records.filter(isUndone).map(({ branch }) => branch),
      notUndone: this.records
        .filter((record) => !isUndone(record))
        .map(({ branch, status, second }) => ({
          step: branch,
          ...(second?.failure ?? (status?.state === 'committed' ? COMMITTED : UNDER_WAY)),
        })),
      ...this.#split,
    };
  }

  /** Who committed though not all did, once all have ended. */
  get #split(): Pick<TransactionReport, 'split'> {
    const committed = this.records.filter(({ status }) => status?.state === 'committed');
    const isKnown = this.records.every(({ status }) => status !== undefined && isEnded(status));
    if (!isKnown || committed.length === 0 || committed.length === this.records.length) return {};
    return { split: committed.map(({ branch }) => branch) };
  }

  /** Aborts, unless all are prepared. */
  stop(why: FailureNote): void {
    this.#stopped ??= why;
  }

  /** Says why it cannot be stopped any more, if so. */
  get beyondStop(): string | undefined {
    if (this.#settle !== undefined) return 'it is being settled';
    if (this.#ended !== undefined) return `it is ${this.#ended}`;
    if (this.#cause !== undefined) return 'it is being aborted';
    return this.records.some(({ second }) => second !== undefined) ? 'it is decided that all commit' : undefined;
  }

  /** From the first question until every agent has ended, and a person has decided where they differ. */
  async execute(): Promise<void> {
    if (this.#settle !== undefined) return this.#compare(this.#settle);
    const cause = (await this.#prepareAll()) ?? (await this.#commitAll());
    if (cause === undefined) {
      this.#end('committed');
      return;
    }
    this.#abort(cause);
    const open = this.records.filter(({ status }) => status === undefined || !isEnded(status));
    await Promise.all(open.map((record) => this.#ending.learn(record, 'abort')));
    this.#end(await this.#ending.compare());
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
      const status = await this.#driver.tell(record, message, withinMs);
      if (isGone(record, status)) return { knowledge: 'unknown', ...GONE };
      record.status = status;
      if (status.state !== 'aborted') return undefined;
      this.#ending.note(record, status);
      return { knowledge: 'rejected', ...(status.failure ?? aborted(status)) };
    } catch (error) {
      const { type, message: why } = this.#driver.judge(error);
      return { knowledge: 'unknown', type, message: `no answer to ${message}: ${why}` };
    }
  }

  async #commitAll(): Promise<CauseNote | undefined> {
    const silent: BranchRecord[] = [];
    for (const record of this.records) {
      this.#ending.begin(record, 'commit');
      try {
        const status = await this.#driver.tell(record, 'doCommit', this.#driver.times.answerMs);
        if (isGone(record, status)) silent.push(record);
        else this.#ending.note(record, status);
      } catch (error) {
        this.#driver.judge(error);
        silent.push(record);
      }
      const refused = this.#refusal(record);
      if (refused !== undefined) return refused;
    }
    await Promise.all(silent.map((record) => this.#ending.learn(record, 'doCommit')));
    return silent.map((record) => this.#refusal(record)).find((refused) => refused !== undefined);
  }

  #refusal({ branch, status }: BranchRecord): CauseNote | undefined {
    if (status?.state !== 'aborted') return undefined;
    return { step: branch, knowledge: 'rejected', ...(status.failure ?? aborted(status)) };
  }

  /** Nobody coordinates any more: what each has decided is found, and compared. */
  async #compare({ reason, cause }: Settle): Promise<void> {
    await Promise.all(this.records.map((record) => this.#ending.learn(record, 'outcome')));
    this.#abort(cause ?? { type: 'Terminated', message: reason });
    this.#end(await this.#ending.compare());
  }

  #abort(cause: CauseNote): void {
    this.#cause = cause;
    this.#driver.changed();
  }

  #end(how: 'committed' | 'compensated' | 'failed'): void {
    if (how === 'committed') this.#cause = undefined;
    this.#ended = how;
    this.#driver.changed();
  }
}

const LATE: FailureNote = { type: 'Timeout', message: 'the preCommits before it took all the time that there was' };

const UNDER_WAY: FailureNote = { type: 'NotUndone', message: 'its abort is under way' };

const COMMITTED: FailureNote = { type: 'Committed', message: 'its participant has committed' };

import { leftBy, type DeskAction, type DeskOrder } from '../desk.js';
import type { FailureNote } from '../failure.js';
import type { Settle } from '../saga/definition.js';
import type { Judgement } from '../saga/driver.js';
import type { BranchView, TransactionView } from '../view.js';
import type { AgentDriver } from './agent-driver.js';
import {
  isEnded,
  type AgentOrder,
  type AgentState,
  type AgentStatus,
  type DecidedBy,
  type Message,
} from './protocol.js';

/**
 * The agent of one participant in a three-phase commit: it answers the coordinator, and where it hears nothing for too long it
 * decides by itself.
 *
 * States: `asked` → `ready` → `prepared` → `committed`; `aborted` from any but the last.
 *
 * Transitions:
 * - It is started by the first `canCommit`. The participant looks whether it could, and holds nothing: yes → `ready`, no → aborted.
 * - `ready`: its timer runs. `preCommit` → the participant prepares (no, or no answer in time → aborted) → `prepared`. `abort` →
 *   aborted. Timer: **aborted**, as nobody can have committed: the coordinator commits only what all have prepared.
 * - `prepared`: its timer runs anew. `doCommit` → committed. `abort` → aborted. Timer: **committed**, as all could commit when the
 *   coordinator sent the first `preCommit`. That is where it may be wrong: see below.
 * - Commit and rollback are asked until they are done, and wait for a person after their window. A rollback also bars: what of the
 *   prepare is still on its way cannot happen later.
 * - A message that comes late changes nothing, and hears how it ended. An `abort` counts for as long as nothing is known to be
 *   committed: a rollback is asked then beside the commit, and one of them is refused. Committed was faster: it stays so.
 * - Ended from outside, and run again by the scan: had it asked a rollback, it asks that again; had it asked a commit only, that, and first
 *   what the participant answered when it prepared. Else what the participant holds says where it was. Prepared: its timer runs anew, and
 *   then it commits. Not: it is barred, and aborted. What was committed stays so, and what a person had said last of it counts.
 *
 * Invariant: it ends committed or aborted, once; it holds what it prepared for no longer than its timer, unless its database cannot
 * be reached. It never waits for the coordinator, which is what this scheme is for.
 *
 * The flaw: a timer knows only what was heard, and the network may be what failed. One participant that did not hear an `abort`
 * after its `preCommit` commits while the others abort; a coordinator that stops between two `preCommit`s leaves one that commits
 * and one that aborts. Skeen's protocol ("Nonblocking Commit Protocols", 1981) assumes a network that loses nothing; there is no
 * choice of timers that helps where it does.
 */
export class Agent {
  readonly #order: AgentOrder;
  readonly #driver: AgentDriver;
  readonly #heard = new Set<Message>();
  readonly #startedAt: number;
  #state: AgentState = 'asked';
  #by: DecidedBy | undefined;
  #failure: FailureNote | undefined;
  /** What the participant answered when it prepared. */
  #vote: unknown;
  #second: Second | undefined;

  constructor(driver: AgentDriver, order: AgentOrder) {
    this.#driver = driver;
    this.#order = order;
    this.#startedAt = driver.now();
  }

  get status(): AgentStatus {
    return {
      state: this.#state,
      ...(this.#by !== undefined && { by: this.#by }),
      ...(this.#failure !== undefined && { failure: this.#failure }),
    };
  }

  /** Hears a message. @returns where it stands, once it has done what the message asks, or has come to its end */
  async hear(message: Message): Promise<AgentStatus> {
    this.#heard.add(message);
    await this.#driver.until(() => this.#hasDone(message));
    return this.status;
  }

  #hasDone(message: Message): boolean {
    if (isEnded(this.status)) return true;
    if (message === 'canCommit') return this.#state !== 'asked';
    return message === 'preCommit' && this.#state === 'prepared';
  }

  /** From the first question to its end. @param again its run was ended from outside, and this is the next one */
  async live(again?: Pick<Settle, 'undo' | 'confirm' | 'decisions'>): Promise<void> {
    const last = again?.decisions?.at(-1);
    if (last?.op === 'commit' && last.action === 'skip') return this.#abort('participant', leftBy(last));
    if (last?.action === 'resolve') {
      this.#resolved(last.op === 'commit' ? 'commit' : 'rollback');
      return;
    }
    // Where both were asked the rollback was the last.
    if (again?.undo === true) return this.#abort('earlier', WAS_ABORTING);
    if (again?.confirm !== undefined) return this.#commitAgain();
    if (again !== undefined) return (await this.#wasPrepared()) ? this.#prepared() : this.#abort('timer', NOT_PREPARED);
    const no = await this.#ask('canCommit');
    if (no !== undefined) return this.#abort('participant', no);
    this.#enter('ready');
    const next = await this.#listen('preCommit');
    if (next === 'abort') return this.#abort('coordinator');
    if (next === 'silence') return this.#abort('timer', this.#silence('preCommit'));
    const refused = await this.#ask('prepare');
    return refused === undefined ? this.#prepared() : this.#abort('participant', refused);
  }

  async #prepared(): Promise<void> {
    this.#enter('prepared');
    const next = await this.#listen('doCommit');
    if (next === 'abort') return this.#abort('coordinator');
    if (next === 'silence') this.#failure = this.#silence('doCommit');
    return this.#commit(next === 'silence' ? 'timer' : 'coordinator');
  }

  /** An earlier run had begun to. What is not prepared any more the commit itself finds out. */
  async #commitAgain(): Promise<void> {
    if (await this.#wasPrepared()) this.#enter('prepared');
    this.#failure = WAS_COMMITTING;
    return this.#commit('earlier');
  }

  async #listen(message: Message): Promise<'abort' | 'silence' | 'heard'> {
    const heard = await this.#driver.until(
      () => this.#heard.has('abort') || this.#heard.has(message),
      this.#order.timeoutMs,
    );
    if (this.#heard.has('abort')) return 'abort';
    return heard ? 'heard' : 'silence';
  }

  #silence(message: Message): FailureNote {
    return { type: 'Silence', message: `no ${message} was heard within ${this.#order.timeoutMs} ms` };
  }

  /** Asks the participant. @returns why not */
  async #ask(op: 'canCommit' | 'prepare'): Promise<FailureNote | undefined> {
    try {
      this.#vote = await this.#driver.ask(op, [this.#order.input], this.#order.answerMs);
      return undefined;
    } catch (error) {
      return noteOf(this.#driver.judge(error));
    }
  }

  /** Whether something was prepared before this run. What was not is barred by the question. */
  async #wasPrepared(): Promise<boolean> {
    for (;;) {
      try {
        this.#vote = await this.#driver.ask('prepare', [this.#order.input], 'patiently', true);
        return true;
      } catch (error) {
        const judgement = this.#driver.judge(error);
        if (judgement.knowledge === 'rejected') return false;
        await this.#park('prepare', noteOf(judgement), ['retry']);
      }
    }
  }

  async #commit(by: DecidedBy): Promise<void> {
    const failure = this.#failure;
    const gone = await this.#bring('commit', by);
    if (gone === undefined) this.#enter('committed');
    else if (gone === TOLD_TO_ABORT) await this.#abort('coordinator', undefined, { by, failure });
    // It is not there any more, and never can be: somebody who is no party has rolled it back.
    else await this.#abort('participant', gone);
  }

  /** @param commit by whom and why it was decided to commit, if a commit is on its way */
  async #abort(by: DecidedBy, failure?: FailureNote, commit?: Pick<AgentStatus, 'by' | 'failure'>): Promise<void> {
    this.#failure = failure;
    const stands = await this.#bring('rollback', by);
    if (stands === undefined) this.#enter('aborted');
    else {
      // It is committed, by that commit or an earlier run of this agent: that cannot be taken back.
      ({ by: this.#by, failure: this.#failure } = commit ?? { by, failure: stands });
      if (commit !== undefined) this.#show({ op: 'commit', state: 'done' });
      this.#enter('committed');
    }
  }

  /**
   * Has the participant commit or roll back, however long it takes.
   *
   * @returns why a commit can never be, or need not, if so; why a rollback can never be
   */
  async #bring(op: SecondOp, by: DecidedBy): Promise<FailureNote | undefined> {
    this.#by = by;
    // Who has decided alone, or may have, may have decided otherwise than others: it is looked for, if the coordinator is gone.
    if (by === 'timer' || by === 'earlier') this.#driver.list();
    for (;;) {
      this.#show({ op, state: 'running' });
      try {
        const asked = this.#driver.ask(op, [this.#order.input, this.#vote], 'patiently');
        if ((await this.#unlessAborted(op, asked)) === ABORT_HEARD) return TOLD_TO_ABORT;
        this.#show({ op, state: 'done' });
        return undefined;
      } catch (error) {
        const judgement = this.#driver.judge(error);
        if (op === 'commit' ? judgement.knowledge === 'rejected' : judgement.suspended === true)
          return noteOf(judgement);
        const parked = this.#park(op, noteOf(judgement), ['retry', 'resolve', ...(op === 'commit' ? SKIP : [])]);
        const order = await this.#unlessAborted(op, parked);
        if (order === ABORT_HEARD) {
          this.#driver.desk.withdraw();
          return TOLD_TO_ABORT;
        }
        if (order?.action === 'skip') return leftBy(order);
        if (order?.action !== 'resolve') continue;
        this.#byPerson(op);
        return undefined;
      }
    }
  }

  /** A person had said in an earlier run that it is done. */
  #resolved(op: SecondOp): void {
    this.#byPerson(op);
    this.#enter(op === 'commit' ? 'committed' : 'aborted');
  }

  #byPerson(op: SecondOp): void {
    this.#by = 'person';
    this.#show({ op, state: 'resolved' });
  }

  /** Waits for it; of a commit, no longer than until an `abort` is heard. */
  async #unlessAborted<T>(op: SecondOp, waited: Promise<T>): Promise<T | typeof ABORT_HEARD> {
    if (op === 'rollback') return waited;
    waited.catch(() => undefined); // Nobody may be left to hear how it failed.
    const aborted = this.#driver.until(() => this.#heard.has('abort')).then((): typeof ABORT_HEARD => ABORT_HEARD);
    return Promise.race([waited, aborted]);
  }

  #park(op: SecondOp | 'prepare', failure: FailureNote, fits: readonly DeskAction[]): Promise<DeskOrder | undefined> {
    const { branch, operation, input, summary } = this.#order;
    if (op !== 'prepare') this.#second = { op, state: 'parked', failure };
    return this.#driver.desk.park({
      ...{ branch, op, operation, input, failure, takesInput: false },
      summary: `${op}: ${summary}`,
      fits: () => fits,
    });
  }

  #enter(state: AgentState): void {
    this.#state = state;
    this.#driver.changed();
  }

  #show(second: Second): void {
    this.#second = second;
    this.#driver.changed();
  }

  get txState(): TransactionView['state'] {
    if (!this.#driver.desk.isEmpty) return 'stuck';
    if (this.#state === 'committed') return 'committed';
    if (this.#state === 'aborted') return 'compensated';
    return this.#second?.op === 'rollback' ? 'compensating' : 'running';
  }

  get view(): TransactionView {
    const { gid, branch, seq, operation, summary } = this.#order;
    const first = this.#state === 'asked' || this.#state === 'ready' ? 'running' : 'succeeded';
    const view: BranchView = {
      ...{ branch, seq, operation, summary: `${summary} (${this.#state})`, failure: this.#failure },
      state: this.#state === 'aborted' ? 'rejected' : first,
      startedAt: this.#startedAt,
      second: this.#second,
    };
    const { cases, notes } = this.#driver.desk;
    return {
      ...{ gid, scheme: '3pc', state: this.txState, lane: 'agent', startedAt: this.#startedAt },
      ...{ branches: [view], desk: cases, decisions: notes, operations: [] },
    };
  }
}

type Second = NonNullable<BranchView['second']>;
type SecondOp = 'commit' | 'rollback';

/** A person who leaves a commit as it is says that what was prepared is lost: nothing was committed. */
const SKIP: readonly DeskAction[] = ['skip'];

const NOT_PREPARED: FailureNote = {
  type: 'NotPrepared',
  message: 'its run was ended from outside before anything was prepared',
};

const WAS_COMMITTING: FailureNote = {
  type: 'Terminated',
  message: 'its run was ended from outside while it committed',
};

/** An abort was heard while the commit was on its way. */
const ABORT_HEARD: unique symbol = Symbol('abort');
const TOLD_TO_ABORT: FailureNote = { type: 'Aborted', message: 'it was told to abort before it had committed' };

const WAS_ABORTING: FailureNote = { type: 'Terminated', message: 'its run was ended from outside while it aborted' };

function noteOf({ type, message }: Judgement): FailureNote {
  return { type, message };
}

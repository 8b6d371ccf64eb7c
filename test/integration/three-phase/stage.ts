import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { Client, type WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import type { Moves, Transfer } from '../../../src/contracts/transfer.js';
import { transferGid } from '../../../src/contracts/transfer.js';
import { decide } from '../../../src/kit/client/index.js';
import { threePhaseActivities } from '../../../src/kit/worker/index.js';
import {
  agentId,
  comparisonId,
  initialAttributes,
  TRANSACTION_QUERY,
  type AgentStatus,
  type Operation,
  type Telling,
  type ThreePhaseCall,
  type TransactionView,
} from '../../../src/kit/workflow/index.js';
import { FIND_COMPARISON, TELL_AGENT, type AgentOrder } from '../../../src/kit/workflow/three-phase/protocol.js';
import type { Direction } from '../../chaos/proxy.js';
import { isAsked, isTimeout, isTimerRung, untilHappened } from './history.js';
import type { Link } from './links.js';
import { parties, type Party, type Running, type World } from './world.js';
import type { Case } from './cases.js';

/** How long an agent has to answer, and how long it waits. A loaded machine answers within it; a silent one is waited for. */
const TIMES = { answer: '5 seconds', timeout: '12 seconds' } as const satisfies ThreePhaseCall;
const LOOK_MS = 100;

/** One transfer, and what is done to those who take part in it. */
export class Stage {
  readonly account = `account-${randomUUID().slice(0, 8)}`;
  readonly id = randomUUID();
  readonly gid = transferGid(this.id);
  readonly world: World;
  readonly #case: Case;
  readonly #links: ReadonlyMap<string, Link>;
  readonly #lifts: (() => void)[] = [];
  /** The points at which something was done. */
  readonly #done = new Set<string>();
  /** The points that were reached, and who waits for others. */
  readonly #reached = new Set<string>();
  readonly #waiting = new Map<string, () => void>();
  readonly #workers = new Map<Party | 'coordinator', Running>();

  /** Resolves when the first thing that the case does is done to it. */
  readonly struck: Promise<void>;
  #strikes: () => void = () => undefined;

  constructor(world: World, of: Case, links: ReadonlyMap<string, Link>) {
    this.world = world;
    this.#case = of;
    this.#links = links;
    this.struck = new Promise((resolve) => (this.#strikes = resolve));
  }

  /** The task queue of one of the three: its own, if the case stops it. */
  #queueOf(party: Party | 'coordinator'): string {
    return this.#case.stops?.includes(party) ? `${this.gid}-${party}` : this.world.queueOf(party);
  }

  /** Starts the workers that the case stops. */
  async open(): Promise<void> {
    for (const party of this.#case.stops ?? []) await this.#startWorker(party);
  }

  /** Starts the transfer. */
  async start(): Promise<void> {
    if (this.#case.found === 'agents') return this.#sayWhatItSaid();
    const { account, id } = this;
    const amount = 1_000;
    const input: Transfer = {
      id,
      from: [{ bank: 'bank_a', account, amount }],
      to: [{ bank: 'bank_b', account: this.#case.unknownAccount ? 'nobody' : account, amount }],
    };
    await this.world.client.workflow.start('transfer3pc', {
      workflowId: this.gid,
      taskQueue: this.#queueOf('coordinator'),
      args: [input, { ...TIMES, ...this.#case.times }],
      typedSearchAttributes: initialAttributes('3pc'),
    });
  }

  /** Of a coordinator that is lost with its history nothing is left but the messages that it has sent. */
  async #sayWhatItSaid(): Promise<void> {
    const of = Object.values(parties).map((branch) => ({ branch, operation: `${branch}.move` }));
    for (const [message, party] of [
      ['canCommit', 'A'],
      ['canCommit', 'B'],
      ['preCommit', 'A'],
    ] as const) {
      const participant = parties[party];
      const part = { gid: this.gid, branch: participant };
      const order: AgentOrder = {
        ...{ ...part, seq: 1, operation: `${participant}.move`, input: this.moves(party), of, summary: 'said before' },
        ...{ answerMs: 5_000, timeoutMs: 12_000, windowMs: 60_000 },
      };
      const telling: Telling = { message, ...part, participant, order };
      await this.world.activity().run((said: Telling) => this.tell(said), telling);
    }
  }

  /** What a bank is asked. */
  moves(party: Party, amount = 1_000): Moves {
    const { account } = this;
    return party === 'A'
      ? { from: [{ leg: 'from-1', account, amount }], to: [] }
      : { from: [], to: [{ leg: 'to-1', account, amount }] };
  }

  async #startWorker(party: Party | 'coordinator'): Promise<void> {
    // The one before has been told to stop, and may still be at it.
    await this.#workers.get(party)?.stop();
    this.#workers.set(party, await this.world.startWorker(this.#queueOf(party), party));
  }

  /** The activity of the coordinator's worker, with what is to happen before and after. */
  async tell(telling: Telling): Promise<AgentStatus> {
    const party = telling.branch === parties.B ? 'B' : 'A';
    await this.#pass(`before ${telling.message} ${party}`);
    const { [TELL_AGENT]: tell } = threePhaseActivities({ addressOf: (bank) => this.#addressOf(bank) });
    const status = await tell(telling);
    await this.#pass(`after ${telling.message} ${party}`);
    return status;
  }

  #addressOf(bank: string) {
    const connection = this.#links.get(bank)?.connection;
    const client = connection === undefined ? this.world.client : new Client({ connection });
    return { client, taskQueue: this.#queueOf(bank === parties.A ? 'A' : 'B') };
  }

  async #pass(point: string): Promise<void> {
    this.#reached.add(point);
    this.#waiting.get(point)?.();
    const strike = this.#case.at?.[point];
    if (strike === undefined || this.#done.has(point)) return;
    this.#done.add(point);
    this.#strikes();
    await strike(this);
  }

  /** Waits until a message was, or is about to be, told. */
  async until(point: string): Promise<void> {
    if (this.#reached.has(point)) return;
    await new Promise<void>((resolve) => this.#waiting.set(point, resolve));
  }

  /** The coordinator's worker stops here and now: nothing that it does is heard of any more. */
  async stopCoordinator(): Promise<never> {
    void this.#workers.get('coordinator')?.stop();
    return Context.current().cancelled;
  }

  /** Its run is ended by an operator, in the middle of what it does. */
  async terminate(): Promise<never> {
    await this.world.client.workflow.getHandle(this.gid).terminate('pulled the plug');
    throw new Error('nobody hears of it');
  }

  async stop(party: Party): Promise<void> {
    await this.#workers.get(party)?.stop();
  }

  /** The link to a bank carries nothing any more in these directions: both, if none is named. */
  cut(party: Party, ...directions: Direction[]): void {
    const { proxy } = this.#link(party);
    this.#lifts.push(directions.length === 0 ? proxy.refuse() : proxy.hold(...directions));
  }

  #link(party: Party): Link {
    const link = this.#links.get(parties[party]);
    if (link === undefined) throw new Error(`the case has no link to ${party}`);
    return link;
  }

  /** Somebody who is no party rolls back what a bank has prepared, and bars it. */
  async rollBack(party: Party): Promise<void> {
    await this.world.bank(party).move.rollback(this.call(party, 'rollback'), this.moves(party), undefined);
  }

  /** An operation as a participant gets it, asked by nobody's worker. */
  call(party: Party, op: 'canCommit' | 'prepare' | 'rollback'): Operation {
    const branch = parties[party];
    return {
      ...{ gid: this.gid, branch, op, scheme: '3pc', seq: 1, attempt: 1, timeoutMs: 20_000 },
      ...{ function: `${branch}.move.${op}`, driver: 'by hand', who: 'test' },
      signal: new AbortController().signal,
    };
  }

  async closeAccount(party: Party): Promise<void> {
    await this.world.sql(party, `update accounts set status = 'closed' where account = $1`, [this.account]);
  }

  /** A party that was stopped is back; its link is as it was. */
  back(party: Party): Promise<void> {
    return this.#startWorker(party);
  }

  /** Waits until the timer of an agent has rung by which it decides, whether or not its worker is there. */
  untilTimerRang(party: Party): Promise<void> {
    return untilHappened(this.world.client.workflow.getHandle(agentId(this.gid, parties[party])), isTimerRung);
  }

  /** Everything is as it should be again, and everybody is back. */
  async restore(): Promise<void> {
    this.#mend();
    for (const party of this.#case.stops ?? []) await this.#startWorker(party);
  }

  /** How an agent has ended. @returns undefined if it never was */
  async ended(party: Party): Promise<AgentStatus | undefined> {
    try {
      const handle = this.world.client.workflow.getHandle(agentId(this.gid, parties[party]));
      return (await handle.result()) as AgentStatus;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return undefined;
      throw error;
    }
  }

  /** Waits until an agent has ended, which may not have been started yet. */
  async untilEnded(party: Party): Promise<void> {
    while ((await this.ended(party)) === undefined) await setTimeout(LOOK_MS);
  }

  /** Waits until so many messages of the coordinator have failed for lack of time. */
  untilTimedOut(count: number): Promise<void> {
    return untilHappened(this.world.client.workflow.getHandle(this.gid), isTimeout, count);
  }

  /** Waits until the coordinator has asked whether the agents were compared elsewhere. */
  untilAskedElsewhere(): Promise<void> {
    return untilHappened(this.world.client.workflow.getHandle(this.gid), isAsked(FIND_COMPARISON));
  }

  /** The workflow at whose desk a split is. */
  get deskId(): string {
    return this.#case.found === 'agents' ? comparisonId(this.gid) : this.gid;
  }

  /** Waits until the transaction has ended, or waits for a person. */
  async outcome(): Promise<'committed' | 'aborted' | TransactionView> {
    const handle = this.world.client.workflow.getHandle(this.deskId);
    for (;;) {
      try {
        const { status } = await handle.describe();
        if (status.name === 'COMPLETED') return 'committed';
        if (status.name === 'FAILED') return 'aborted';
        if (status.name === 'RUNNING') {
          const view = await handle.query<TransactionView>(TRANSACTION_QUERY);
          if (view.state === 'stuck') return view;
        }
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      }
      await setTimeout(LOOK_MS);
    }
  }

  /** A person says that a branch was put right by hand, and the transaction ends. @returns its failure */
  async resolve(branch: string): Promise<WorkflowFailedError> {
    const { client } = this.world;
    await decide(client, this.deskId, {
      branch,
      action: 'resolve',
      result: null,
      actor: 'ann',
      reason: 'moved back by hand',
    });
    return (await client.workflow
      .getHandle(this.deskId)
      .result()
      .catch((error: unknown) => error)) as WorkflowFailedError;
  }

  /** Whether a bank has moved the money. */
  async moved(party: Party): Promise<boolean> {
    const [row] = await this.world.sql<{ entries: number }>(
      party,
      'select count(*)::int as entries from entries where gid = $1',
      [this.gid],
    );
    return row?.entries === 2;
  }

  /** What a bank has prepared and neither committed nor rolled back. */
  async prepared(party: Party): Promise<number> {
    const text = 'select gid from pg_prepared_xacts where database = current_database() and starts_with(gid, $1)';
    return (await this.world.sql(party, text, [`backstitch/3pc/${this.gid}/`])).length;
  }

  async close(): Promise<void> {
    this.#mend();
    for (const { connection, proxy } of this.#links.values()) {
      await connection.close();
      await proxy.close();
    }
  }

  #mend(): void {
    for (const lift of this.#lifts.splice(0)) lift();
  }
}

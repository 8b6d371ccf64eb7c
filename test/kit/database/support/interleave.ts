import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import {
  Barred,
  createGuard,
  Rejection,
  Suspended,
  Undone,
  type Database,
  type Operation,
  type Sql,
} from '../../../../src/kit/database/index.js';

/**
 * Actors that work on one branch, each on a connection of its own, stepped statement by statement by a schedule. An
 * actor is always in one of these states: at a gate (it asks to run its next statement), blocked (its statement waits
 * for a lock in the database), or done.
 */

export type ActorKind =
  'action' | 'refused action' | 'action at once' | 'refused action at once' | 'undo' | 'undo at once' | 'settle';

/** Where an actor plays its part. */
export interface Part {
  readonly gid: string;
  readonly name: string;
  /** Each of its statements waits for the schedule. */
  readonly db: Database;
  /** Waits for the schedule: here, too, a process may die. */
  readonly gate: () => Promise<void>;
}

/** What an actor of a kind does; what it resolves to is its answer. */
export type Play<Kind extends string> = (kind: Kind, part: Part) => Promise<unknown>;

/** What an actor got for an answer. */
export type Answer =
  | { kind: 'returned'; value: unknown }
  | { kind: 'rejected'; message: string }
  | { kind: 'suspended' }
  | { kind: 'barred' }
  | { kind: 'undone'; value: unknown }
  | { kind: 'error'; message: string }
  | { kind: 'crashed' };

class Actor<Kind extends string> {
  readonly name: string;
  readonly kind: Kind;
  readonly client: pg.Client;
  readonly flights: boolean;
  answer: Answer | undefined;
  #gate: { open: () => void; fail: (error: Error) => void } | undefined;
  #crashed = false;

  constructor(name: string, kind: Kind, client: pg.Client, flights: boolean) {
    this.flights = flights;
    this.name = name;
    this.kind = kind;
    this.client = client;
  }

  get crashed(): boolean {
    return this.#crashed;
  }

  get atGate(): boolean {
    return this.#gate !== undefined;
  }

  /** Waits for the schedule's permission. */
  gate(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#crashed) reject(new Error('crashed'));
      else this.#gate = { open: resolve, fail: reject };
    });
  }

  step(): void {
    const gate = this.#gate;
    this.#gate = undefined;
    gate?.open();
  }

  /** As if its process died: its connection is cut, and nothing of it ever runs again. */
  async crash(monitor: pg.Client): Promise<void> {
    if (this.answer !== undefined) return;
    this.#crashed = true;
    await monitor.query('select pg_terminate_backend(pid, 5000) from pg_stat_activity where pid = $1', [
      pidOf(this.client),
    ]);
    const gate = this.#gate;
    this.#gate = undefined;
    gate?.fail(new Error('crashed'));
  }

  /** Each statement by itself, BEGIN and COMMIT (or PREPARE TRANSACTION) too. */
  readonly #stepwise =
    (run: Sql): Database['transaction'] =>
    async (work) => {
      await run('begin');
      let end = 'commit';
      const prepareAs = (name: string) => {
        end = `prepare transaction '${name}'`;
      };
      let result;
      try {
        const sql: Sql = (text, values) => run(text, values);
        result = await work(Object.assign(sql, { prepareAs }));
      } catch (error) {
        await run('rollback');
        throw error;
      }
      await run(end);
      return result;
    };

  /** As `pgDatabase` does: BEGIN with the first statement, COMMIT with the last, and one alone without either. */
  readonly #inFlights: Database['transaction'] = async (work) => {
    let state: 'idle' | 'open' | 'ended' = 'idle';
    const run = async (text: string, values: readonly unknown[] | undefined, last: boolean) => {
      await this.gate();
      if (state === 'idle' && !last) {
        state = 'open';
        await this.client.query('begin');
      }
      const { rows } = await this.client.query<object>(text, values && [...values]);
      if (last && state === 'open') await this.client.query('commit');
      if (last) state = 'ended';
      return rows;
    };
    const sql: Sql = (text, values) => run(text, values, false) as never;
    const commitWith: Sql = (text, values) => run(text, values, true) as never;
    const ends = (text: string) => (state === 'open' ? run(text, undefined, false) : undefined);
    let result;
    try {
      result = await work(Object.assign(sql, { commitWith }));
    } catch (error) {
      await ends('rollback');
      throw error;
    }
    await ends('commit');
    return result;
  };

  start(gid: string, play: Play<Kind>): void {
    const run: Sql = async <Row extends object>(text: string, values?: readonly unknown[]) => {
      await this.gate();
      return (await this.client.query<Row>(text, values && [...values])).rows;
    };
    const db: Database = { run, transaction: this.flights ? this.#inFlights : this.#stepwise(run) };
    play(this.kind, { gid, name: this.name, db, gate: () => this.gate() }).then(
      (value) => {
        this.answer = { kind: 'returned', value };
      },
      (error: unknown) => {
        this.answer = this.#crashed ? { kind: 'crashed' } : answerOf(error);
      },
    );
  }
}

/** Plays on the guard, with a ledger for the effect. */
const playGuard: Play<ActorKind> = (kind, { gid, name, db, gate }) => {
  const guard = createGuard(db, {
    // Between the commit and the reply, too, a process may die.
    probe: (point) => (point === 'committed' ? gate() : Promise.resolve()),
  });
  if (kind === 'undo' || kind === 'undo at once') {
    const undo = async (sql: Sql) => {
      await sql('insert into ledger (gid, amount) values ($1, -1)', [gid]);
      return { undoneBy: name };
    };
    const atOnce = () => ({ statement: UNDO_AT_ONCE, values: [gid, name] });
    return guard.undo(operation(gid, 'compensation', name), {}, undo, kind === 'undo' ? undefined : atOnce);
  }
  const action = operation(gid, 'action', name);
  const refused = kind.startsWith('refused');
  const work = async (sql: Sql) => {
    if (refused) throw new Rejection('Refused', `refused by ${name}`);
    await sql('insert into ledger (gid, amount) values ($1, 1)', [gid]);
    return { doneBy: name };
  };
  const atOnce = () => ({ statement: refused ? REFUSED_AT_ONCE : AT_ONCE, values: [gid, name] });
  return guard.apply(
    kind === 'settle' ? { ...action, settle: true } : action,
    {},
    work,
    kind.endsWith('at once') ? atOnce : undefined,
  );
};

const added = 'added as (insert into ledger (gid, amount) values ($1, 1) returning amount)';
/** It has its effect whether there is something to undo or not, if nobody takes it back. */
const UNDO_AT_ONCE = {
  with: 'taken as (insert into ledger (gid, amount) values ($1, -1) returning amount)',
  text: 'select $2::text as "undoneBy" from taken',
};
const AT_ONCE = { with: added, text: 'select $2::text as "doneBy" from added' };
/** It gives no row, and yet it has an effect, if nobody takes it back. */
const REFUSED_AT_ONCE = { with: added, text: 'select $2::text as "doneBy" from added where amount > 1' };

/** An error as an answer. */
export function answerOf(error: unknown): Answer {
  if (error instanceof Rejection) return { kind: 'rejected', message: error.message };
  if (error instanceof Suspended) return { kind: 'suspended' };
  if (error instanceof Barred) return { kind: 'barred' };
  if (error instanceof Undone) return { kind: 'undone', value: error.result };
  return { kind: 'error', message: String(error) };
}

export function operation(gid: string, op: 'action' | 'compensation', who: string): Operation {
  return {
    ...{ gid, branch: 'pay', op, scheme: 'saga', seq: 1, function: `payments.charge.${op}` },
    ...{ driver: 'test', who, attempt: 1, timeoutMs: 60_000, signal: new AbortController().signal },
  };
}

/** What the database holds for a branch when all is over. */
export interface Outcome<Kind extends string = ActorKind> {
  readonly gid: string;
  readonly answers: readonly { readonly kind: Kind; readonly answer: Answer }[];
  readonly net: number;
  readonly first: { readonly outcome: string; readonly result: unknown } | undefined;
  readonly second: { readonly outcome: string; readonly result: unknown } | undefined;
  /** The choices that were open at each step: how many actors could run. */
  readonly choices: readonly number[];
}

/** Which of the runnable actors goes next, and who dies before that step. */
export interface Schedule {
  readonly choose: (step: number, runnable: number) => number;
  readonly crash?: { readonly step: number; readonly actor: number };
}

/** A database with a ledger, and connections that are used again for each run. */
export class Stage {
  readonly #url: string;
  readonly #flights: boolean;
  readonly #patient: boolean;
  readonly #idle: pg.Client[] = [];
  readonly monitor: pg.Client;
  #runs = 0;

  private constructor(url: string, monitor: pg.Client, flights: boolean, patient: boolean) {
    this.#flights = flights;
    this.#patient = patient;
    this.#url = url;
    this.monitor = monitor;
  }

  /**
   * @param options.flights the actors' transactions are those of `pgDatabase`; else each statement goes by itself
   * @param options.patient where all wait for locks, one of them is waited for until it has waited for too long
   */
  static async open(url: string, { flights = false, patient = false } = {}): Promise<Stage> {
    const monitor = new pg.Client({ connectionString: url });
    await monitor.connect();
    await monitor.query('create table ledger (gid text not null, amount int not null)');
    return new Stage(url, monitor, flights, patient);
  }

  async close(): Promise<void> {
    await Promise.all([this.monitor, ...this.#idle].map((client) => client.end()));
  }

  /** Runs actors of the guard to their end under the schedule. */
  run(kinds: readonly ActorKind[], schedule: Schedule): Promise<Outcome> {
    return this.play(kinds, schedule, playGuard);
  }

  /** Runs actors of any play to their end under the schedule. */
  async play<Kind extends string>(
    kinds: readonly Kind[],
    schedule: Schedule,
    play: Play<Kind>,
  ): Promise<Outcome<Kind>> {
    const gid = `run-${++this.#runs}`;
    const actors = await Promise.all(
      kinds.map(
        async (kind, index) =>
          new Actor(`actor ${index}`, kind, this.#idle.pop() ?? (await this.#connect()), this.#flights),
      ),
    );
    for (const actor of actors) actor.start(gid, play);
    const choices: number[] = [];
    for (let step = 0; ; step++) {
      await this.#settled(actors);
      if (schedule.crash?.step === step) {
        await actors[schedule.crash.actor]?.crash(this.monitor);
        await this.#settled(actors);
      }
      const runnable = actors.filter((actor) => actor.atGate);
      if (runnable.length === 0) {
        if (!this.#patient || actors.every(({ answer }) => answer !== undefined)) break;
        await delay(1);
        step--;
        continue;
      }
      choices.push(runnable.length);
      runnable[schedule.choose(step, runnable.length)]?.step();
    }
    for (const { crashed, client, answer } of actors) {
      if (crashed || answer === undefined) await client.end().catch(() => undefined);
      else this.#idle.push(client);
    }
    const stuck = actors.filter(({ answer }) => answer === undefined).map(({ name }) => name);
    if (stuck.length > 0) throw new Error(`${stuck.join(', ')} wait for each other`);
    const rows = await this.#query<{ phase: number; outcome: string; result: unknown }>(
      'select phase, outcome, result from backstitch.guard where gid = $1',
      [gid],
    );
    const [sum] = await this.#query<{ net: number }>(
      'select coalesce(sum(amount), 0)::int as net from ledger where gid = $1',
      [gid],
    );
    return {
      gid,
      choices,
      answers: actors.map(({ kind, answer }) => ({ kind, answer: answer ?? { kind: 'error', message: 'none' } })),
      net: sum?.net ?? 0,
      first: rows.find(({ phase }) => phase === 1),
      second: rows.find(({ phase }) => phase === 2),
    };
  }

  /** Waits until every actor is at a gate, blocked in the database, or done. */
  async #settled(actors: readonly Actor<string>[]): Promise<void> {
    for (let round = 0; round < 10_000; round++) {
      const moving = actors.filter((actor) => actor.answer === undefined && !actor.atGate);
      if (moving.length === 0) return;
      const blocked = await this.#query<{ pid: number }>('select pid from pg_locks where not granted');
      const pids = new Set(blocked.map(({ pid }) => pid));
      // Whoever has come to rest meanwhile may have let go of the lock that another was seen to wait for.
      const moved = moving.some((actor) => actor.answer !== undefined || actor.atGate);
      if (!moved && moving.every((actor) => pids.has(pidOf(actor.client)))) return;
      await delay(1);
    }
    throw new Error('an actor neither answered nor waited for a lock');
  }

  async #query<Row extends object>(text: string, values?: unknown[]): Promise<Row[]> {
    return (await this.monitor.query<Row>(text, values)).rows;
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.#url });
    client.on('error', () => undefined); // Crashed on purpose.
    await client.connect();
    return client;
  }
}

function pidOf(client: pg.Client): number {
  return (client as unknown as { processID: number }).processID;
}

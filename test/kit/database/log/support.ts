import pg from 'pg';
import { guardMigrations, migrate, pgDatabase, type Database } from '../../../../src/kit/database/index.js';
import { collectGuards, type CollectOptions } from '../../../../src/kit/database/log/guards.js';
import { entriesOf, type LogRow } from '../../../../src/kit/database/log/rows.js';
import { compensationLog, type CompensationLog } from '../../../../src/kit/database/log/store.js';
import { testDatabase, type TestDatabase } from '../../../support/servers.js';

/** A participant's database with its guard, and an operations database with the log of it. */
export class LogStage {
  readonly #opened: TestDatabase[] = [];
  readonly #pools: pg.Pool[] = [];
  participant!: Database;
  operations!: Database;
  log!: CompensationLog;
  participantUrl = '';

  /** Opened before the tests of a suite, and dropped after them. */
  constructor() {
    before(() => this.open());
    after(() => this.close());
  }

  async open(): Promise<void> {
    const participant = await this.database('participant');
    this.participantUrl = participant.url;
    this.participant = participant.database;
    // What the guard's second mode writes, for work outside SQL.
    await migrate(this.participant, 'guard', guardMigrations);
    await this.participant.run('alter table backstitch.guard drop constraint guard_outcome_check');
    this.operations = (await this.database('operations')).database;
    this.log = compensationLog(this.operations);
  }

  /** A database of its own, closed and dropped with the stage. */
  async database(name: string): Promise<{ url: string; database: Database }> {
    const opened = await testDatabase(name);
    this.#opened.push(opened);
    const pool = new pg.Pool({ connectionString: opened.url, max: 5 });
    this.#pools.push(pool);
    return { url: opened.url, database: pgDatabase(pool) };
  }

  async close(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.end()));
    for (const database of this.#opened) await database.drop();
  }

  /** Both tables empty, and nothing collected. */
  async reset(): Promise<void> {
    await this.log.open();
    await this.participant.run('truncate backstitch.guard');
    await this.operations.run('truncate backstitch.log, backstitch.log_cursors, backstitch.log_runs');
  }

  collect(options?: CollectOptions, log = this.log): Promise<{ rows: number; finished: boolean }> {
    return collectGuards('payments', this.participant, log, options);
  }

  /** Collects until nothing is left. @returns how many rows were read */
  async collectAll(options?: CollectOptions): Promise<number> {
    let rows = 0;
    for (let finished = false; !finished;) {
      const collected = await this.collect(options);
      rows += collected.rows;
      finished = collected.finished;
    }
    return rows;
  }

  /** The guard's rows: key and outcome; and the ends of transactions. */
  guarded(): Promise<string[]> {
    return keys(
      this.participant,
      `select gid || ' ' || phase || ':' || branch || ' ' || outcome as key from backstitch.guard
       union all select gid || ' end ' || (fate->>'state') from backstitch.guard where fate_at is not null`,
    );
  }

  /** The log's entries, in the same words. */
  logged(): Promise<string[]> {
    return keys(this.operations, `select gid || ' ' || item || ' ' || outcome as key from backstitch.log`);
  }

  async entries(gid: string) {
    return entriesOf(await this.log.entries(gid));
  }

  rows(gid: string): Promise<LogRow[]> {
    return this.log.entries(gid);
  }
}

async function keys(database: Database, text: string): Promise<string[]> {
  return (await database.run<{ key: string }>(text, [])).map(({ key }) => key).sort();
}

/** Writes a guard's row; `$1` gid, `$2` outcome. */
export const INSERT = `
insert into backstitch.guard (gid, branch, phase, op, outcome, input_hash, input, driver, seq, function, who, attempt, ended_at)
values ($1, 'pay', 1, 'action', $2, '', '{"amount": 5}', 'workflow:1', 1, 'payments.charge.action', 'w1', 1, clock_timestamp())`;

/** The end of a transaction of the direct lane; `$1` gid. */
export const END = `
update backstitch.guard set fate = '{"state": "committed", "lane": "direct", "result": {"id": 8}}',
  fate_at = clock_timestamp(), written = pg_current_xact_id()
where gid = $1`;

/** The answer to an intent, in a transaction of its own. */
export const ANSWER = `
update backstitch.guard set outcome = 'applied', result = '{"id": 7}', ended_at = clock_timestamp(), written = pg_current_xact_id()
where gid = $1 and outcome = 'intent'`;

import assert from 'node:assert/strict';
import fc from 'fast-check';
import pg from 'pg';
import type { CompensationLog } from '../../../../src/kit/database/log/store.js';
import { ANSWER, END, INSERT, LogStage } from './support.js';

const RUNS = Number(process.env.BACKSTITCH_RUNS ?? 60);
const WRITERS = 4;

/** What happens next: to one of the writers, or to the collector. */
type Step =
  | {
      readonly writer: number;
      readonly does: 'insert' | 'intent' | 'answer' | 'end' | 'commit' | 'rollback' | 'prepare';
    }
  | {
      readonly collect: 'all' | 'one batch' | 'crash before the commit' | 'crash after the commit';
      readonly batch: number;
    };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      writer: fc.nat(WRITERS - 1),
      does: fc.constantFrom('insert', 'insert', 'intent', 'answer', 'end', 'commit', 'commit', 'rollback', 'prepare'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      collect: fc.constantFrom('all', 'one batch', 'crash before the commit', 'crash after the commit'),
      batch: fc.integer({ min: 1, max: 3 }),
    }),
  },
);

/** A collector that is killed when it has read a batch: before it is kept, or before it hears that it is. */
function killed(log: CompensationLog, when: 'before' | 'after'): CompensationLog {
  return {
    ...log,
    async move(...values) {
      if (when === 'after') await log.move(...values);
      throw new Error('killed');
    },
  };
}

describe('the log of a guard, whenever its transactions commit', function () {
  this.timeout(300_000);
  const stage = new LogStage();

  it('has every row once, with its last outcome, and each finished collection all that was committed before it', async () => {
    const writers = await Promise.all(Array.from({ length: WRITERS }, () => Writer.open(stage.participantUrl)));
    try {
      await property(writers);
    } finally {
      await Promise.all(writers.map((writer) => writer.close()));
    }
  });

  async function property(writers: readonly Writer[]): Promise<void> {
    const seen = { committed: 0, crashed: 0, finished: 0 };
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(step, { minLength: 5, maxLength: 40 }), async (collected, steps) => {
        await stage.reset();
        // The first collection of a guard reads it in another order, and may read a row once more after that.
        if (collected) await stage.collect();
        let committedWrites = 0;
        let read = 0;
        let crashes = 0;
        for (const each of steps) {
          if ('writer' in each) {
            const written = (await writers[each.writer]?.do(each.does)) ?? 0;
            committedWrites += written;
            continue;
          }
          const { collect, batch } = each;
          if (collect === 'crash before the commit' || collect === 'crash after the commit') {
            const when = collect === 'crash after the commit' ? 'after' : 'before';
            crashes += await stage.collect({ batch }, killed(stage.log, when)).then(
              () => 0,
              () => 1,
            );
            continue;
          }
          const committed = await stage.guarded();
          const { rows, finished } = await stage.collect({ batch, until: collect === 'all' ? undefined : 0 });
          read += rows;
          if (finished) assert.deepEqual(await stage.logged(), committed);
          if (finished) seen.finished++;
        }
        for (const writer of writers) committedWrites += (await writer.do('commit')) + (await writer.finishPrepared());
        read += await stage.collectAll({ batch: 2 });
        assert.deepEqual(await stage.logged(), await stage.guarded());
        // Nothing is read twice either, unless a collector was killed; an answer to a row not yet read replaces it unread.
        if (collected && crashes === 0)
          assert.ok(read <= committedWrites, `${read} rows were read, ${committedWrites} were written`);
        if (collected) assert.equal((await stage.collect()).rows, 0);
        seen.committed += committedWrites;
        seen.crashed += crashes;
      }),
      { numRuns: RUNS },
    );
    assert.ok(
      Object.values(seen).every((times) => times > 0),
      JSON.stringify(seen),
    );
  }
});

let count = 0;

/** A connection whose transactions stay open as long as the test likes. */
class Writer {
  readonly #client: pg.Client;
  /** Rows that the open transaction has written. */
  #open: number | undefined;
  /** Transactions that are prepared, with the rows that each has written: they hold back every horizon. */
  #prepared = new Map<string, number>();

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  static async open(url: string): Promise<Writer> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    return new Writer(client);
  }

  /** @returns the rows that were committed by it */
  async do(what: Extract<Step, { writer: number }>['does']): Promise<number> {
    if (what === 'commit' || what === 'rollback' || what === 'prepare') {
      if (this.#open === undefined) return what === 'commit' ? this.finishPrepared() : 0;
      const written = this.#open;
      this.#open = undefined;
      if (what === 'prepare') {
        const name = `log-${process.pid}-${++count}`;
        await this.#client.query(`prepare transaction '${name}'`);
        this.#prepared.set(name, written);
        return 0;
      }
      await this.#client.query(what);
      return what === 'commit' ? written : 0;
    }
    if (this.#open === undefined) await this.#client.query('begin');
    this.#open ??= 0;
    if (what === 'answer' || what === 'end') {
      const [which, text] =
        what === 'answer' ? [`outcome = 'intent'`, ANSWER] : [`outcome = 'applied' and fate is null`, END];
      // Not those that another open transaction writes: this test is about the collector, not about locks.
      const { rows } = await this.#client.query<{ gid: string }>(
        `select gid from backstitch.guard where ${which} for update skip locked limit 1`,
      );
      const [{ gid } = { gid: '' }] = rows;
      this.#open += (await this.#client.query(text, [gid])).rowCount ?? 0;
      return 0;
    }
    await this.#client.query(INSERT, [`gid-${++count}`, what === 'intent' ? 'intent' : 'applied']);
    this.#open++;
    return 0;
  }

  /** Commits what was prepared. @returns the rows */
  async finishPrepared(): Promise<number> {
    let written = 0;
    for (const [name, rows] of this.#prepared) {
      await this.#client.query(`commit prepared '${name}'`);
      written += rows;
    }
    this.#prepared.clear();
    return written;
  }

  async close(): Promise<void> {
    await this.#client.query('rollback');
    await this.finishPrepared();
    await this.#client.end();
  }
}

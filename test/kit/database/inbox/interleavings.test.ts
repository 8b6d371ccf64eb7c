import assert from 'node:assert/strict';
import fc from 'fast-check';
import pg from 'pg';
import {
  createInbox,
  guardMigrations,
  inboxMigrations,
  migrate,
  pgDatabase,
  Poison,
  Rejection,
  type Message,
  type Sql,
} from '../../../../src/kit/database/index.js';
import { testDatabase, type TestDatabase } from '../../../support/servers.js';
import { Stage, type Outcome, type Play } from '../support/interleave.js';

const RUNS = Number(process.env.BACKSTITCH_RUNS ?? 80);

/** Each delivers the same message, or the same two. */
type Kind = 'delivery' | 'delivery in order' | 'refused delivery' | 'batch' | 'batch in order';

const messageOf = (gid: string, seq: number): Message => ({
  ...{ id: `${gid}-${seq}`, topic: 't', key: gid, payload: gid, source: 's', seq, addedAt: 1, attempt: 1 },
  ...(seq > 1 && { after: seq - 1 }),
});

const play: Play<Kind> = async (kind, { gid, db, name }) => {
  const order = kind.endsWith('in order') ? 'per-key' : 'any';
  const inbox = createInbox({ database: db, consumer: 'c', order, timeoutMs: 60_000 });
  const work = async (sql: Sql, { seq }: Message) => {
    if (kind === 'refused delivery') throw new Rejection('Refused', `refused by ${name}`);
    await sql('insert into ledger (gid, amount) values ($1, $2)', [gid, seq]);
    return { doneBy: name };
  };
  const first = messageOf(gid, 1);
  if (!kind.startsWith('batch')) return inbox.handle(first, (sql) => work(sql, first));
  return inbox.handleAll([first, messageOf(gid, 2)], work);
};

for (const flights of [false, true])
  describe(`the inbox, under every order of ${flights ? 'flights' : 'statements'}`, function () {
    this.timeout(600_000);
    let database: TestDatabase;
    let stage: Stage;
    let pool: pg.Pool;

    before(async () => {
      database = await testDatabase('inbox_interleavings');
      pool = new pg.Pool({ connectionString: database.url, max: 2 });
      await migrate(pgDatabase(pool), 'guard', guardMigrations); // The stage looks at it.
      await migrate(pgDatabase(pool), 'inbox', inboxMigrations);
      stage = await Stage.open(database.url, { flights });
    });
    after(async () => {
      await stage.close();
      await pool.end();
      await database.drop();
    });

    async function check(outcome: Outcome<Kind>): Promise<void> {
      const seen = JSON.stringify(outcome);
      const { rows } = await pool.query<{ id: string; outcome: string; result: unknown }>(
        'select message_id as id, outcome, result from backstitch.inbox where message_id like $1',
        [`${outcome.gid}-%`],
      );
      const [one, two] = [1, 2].map((seq) => rows.find(({ id }) => id === messageOf(outcome.gid, seq).id));
      assert.equal(outcome.net, (one?.outcome === 'applied' ? 1 : 0) + (two?.outcome === 'applied' ? 2 : 0), seen);
      for (const { kind, answer } of outcome.answers) {
        if (answer.kind === 'returned') {
          const [first, second] = [answer.value].flat() as { result: unknown }[];
          // A batch tells of each, and one of a refused message is no result.
          if (first instanceof Poison) assert.equal(one?.outcome, 'rejected', seen);
          else if (first instanceof Error) assert.match(first.message, /crashed|terminat/, seen);
          else assert.deepEqual(first?.result, one?.result, seen);
          if (kind.startsWith('batch') && !(second instanceof Error))
            assert.deepEqual(second?.result, two?.result, seen);
        } else if (answer.kind === 'error') {
          assert.match(answer.message, /^Poison: .*was refused \(Refused\)/, seen);
          assert.equal(one?.outcome, 'rejected', seen);
        }
      }
    }

    for (const kinds of [
      ['delivery', 'delivery'],
      ['delivery in order', 'delivery in order'],
      ['delivery', 'refused delivery'],
      ['refused delivery', 'refused delivery'],
      ['delivery', 'batch'],
      ['delivery in order', 'batch in order'],
      ['batch in order', 'batch in order'],
    ] as const satisfies Kind[][])
      it(`handles once in every order of one ${kinds.join(' and one ')}`, async () => {
        let prefix: number[] = [];
        for (let orders = 1; ; orders++) {
          const taken: number[] = [];
          const choose = (step: number) => {
            taken.push(prefix[step] ?? 0);
            return taken[step] ?? 0;
          };
          const outcome = await stage.play<Kind>(kinds, { choose }, play);
          await check(outcome);
          let last = taken.length - 1;
          while (last >= 0 && (taken[last] ?? 0) + 1 >= (outcome.choices[last] ?? 0)) last--;
          if (last < 0) {
            assert.ok(orders > (flights ? 3 : 8), `${orders} orders`);
            return;
          }
          prefix = [...taken.slice(0, last), (taken[last] ?? 0) + 1];
        }
      });

    it('handles once with up to five deliverers in random order, one of which may die at any statement', async () => {
      const kind = fc.constantFrom<Kind>(
        'delivery',
        'delivery in order',
        'refused delivery',
        'batch',
        'batch in order',
      );
      await fc.assert(
        fc.asyncProperty(
          fc.array(kind, { minLength: 2, maxLength: 5 }),
          fc.array(fc.nat({ max: 59 }), { minLength: 40, maxLength: 40 }),
          fc.option(fc.record({ step: fc.nat({ max: 20 }), actor: fc.nat({ max: 4 }) }), { nil: undefined }),
          async (kinds, picks, crash) => {
            const choose = (step: number, runnable: number) => (picks[step % picks.length] ?? 0) % runnable;
            await check(await stage.play<Kind>(kinds, { choose, crash }, play));
          },
        ),
        { numRuns: RUNS },
      );
    });
  });

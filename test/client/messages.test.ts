import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { ShownMessages } from '../../src/kit/client/index.js';
import { until } from '../support/until.js';
import { openClientWorld, type ClientWorld } from './support.js';

describe('the command line of messages', function () {
  this.timeout(240_000);
  let world: ClientWorld;
  before(async () => {
    world = await openClientWorld();
    await world.deliver();
    assert.equal((await world.run('bank', 'open')).code, 0);
  });
  after(() => world.close());

  const send = (id: string, to: string, ...more: string[]) =>
    world.run('transfer', '--scheme', 'outbox', '--id', id, '--from', 'bank_a:alice:700', '--to', to, ...more);
  /** At the database of the bank that sends. */
  const sql = async <Row extends object>(text: string): Promise<Row[]> => {
    const client = new pg.Client(world.databaseEnv.DATABASE_URL_BANK_A);
    await client.connect();
    try {
      return (await client.query<Row>(text)).rows;
    } finally {
      await client.end();
    }
  };
  const newId = () => randomUUID().slice(0, 8);
  const list = async () => (await world.run('messages', 'list', '--json')).json<ShownMessages>();
  const decide = (...args: string[]) =>
    world.run('messages', ...args, '--actor', 'ann', '--reason', 'it is open again');

  it('sends money by the outbox of a bank, and says that the credits follow; shows each stream and who delivers it', async () => {
    const id = newId();
    const made = await send(id, 'bank_c:carol');
    assert.deepEqual(
      [made.code, made.stderr, made.stdout],
      [0, [], `transfer ${id} was made: 7.00 from 1 account, and by messages to 1 account: see messages list\n`],
    );
    await until(async () => (await list()).streams.every(({ waiting }) => waiting === 0));
    const { code, stdout } = await world.run('messages', 'list', '--outbox', 'bank_a');
    assert.equal(code, 0);
    assert.match(stdout, /│ bank_a │ bank_c +│ 0 +│ 0 +│ 0 +│ +│ \d+@.* since 20/);
    assert.doesNotMatch(stdout, /│ bank_b │ bank_c +│/);
  });

  it('shows a credit that is refused as a dead letter, and sends it again when a person says so', async () => {
    assert.equal((await world.run('bank', 'status', 'bank_c:carol', 'closed')).code, 0);
    const id = newId();
    const letter = `transfer-${id}/to-1`;
    assert.equal((await send(id, 'bank_c:carol')).code, 0);
    let dead = await world.run('messages', 'dead');
    await until(async () => {
      dead = await world.run('messages', 'dead');
      return dead.code !== 0;
    });
    assert.equal(dead.code, 4);
    assert.match(
      dead.stdout,
      new RegExp(`^${letter} {2}transfer.credit.bank_c of 'carol', bank_a to bank_c: tried 1 times`),
    );
    assert.match(dead.stdout, /\n {4}.*AccountClosed.*account carol of bank_c is closed\n$/);

    const other = await decide('resend', 'nothing-such');
    assert.deepEqual([other.code, other.stdout], [1, 'no such dead letter: see messages dead, and --all\n']);
    const elsewhere = await world.run('messages', 'dead', '--to', 'bank_b', '--all');
    assert.deepEqual([elsewhere.code, elsewhere.stdout], [0, 'no dead letters\n']);
    const many = await decide('resend', '--topic', 'transfer.credit.bank_c', '--to', 'bank_c');
    assert.deepEqual([many.code, many.stdout], [0, '1 dead letters: give --yes to resend them\n']);
    assert.equal((await world.run('bank', 'status', 'bank_c:carol', 'open')).code, 0);
    const done = await decide('resend', letter);
    assert.deepEqual([done.code, done.stdout], [0, `${letter} of bank_a to bank_c is tried anew\n`]);
    await until(async () => (await list()).streams.every(({ aside }) => aside === 0));
    assert.equal((await world.run('messages', 'dead')).stdout, 'no dead letters\n');
    assert.equal((await world.run('books')).code, 0);
  });

  it('drops by its id what one subscriber could not take, not what others may take yet; says whose it is if it is several', async () => {
    // Of one id: given up for one, tried on for the other; and given up for both.
    await sql(
      `with given (stream, seq, id, dead, since) as (values
         ('bank_a/bank_b/0', 1001, 'one', true, 1), ('bank_a/bank_c/0', 1002, 'one', false, 1),
         ('bank_a/bank_b/0', 1003, 'two', true, 2), ('bank_a/bank_c/0', 1004, 'two', true, 1)
       ), lanes as (
         insert into backstitch.outbox_lanes (stream, lane, attempts, failed_at, error, due_at, dead_at, told_at)
         select stream, 's:' || seq, 1, now() - since * interval '1 hour', 'not now',
           case when not dead then now() + interval '1 hour' end, case when dead then now() end, case when dead then now() end
         from given
       )
       insert into backstitch.outbox_parked (stream, lane, seq, id, topic, added_at)
       select stream, 's:' || seq, seq, id, 'a', now() from given`,
    );
    const left = async () =>
      (await sql<{ stream: string; id: string }>('select stream, id from backstitch.outbox_parked order by seq')).map(
        ({ stream, id }) => `${id} to ${stream.split('/')[1]}`,
      );
    const one = await decide('discard', 'one');
    assert.deepEqual([one.code, one.stdout], [0, 'one of bank_a to bank_b is dropped\n']);
    const both = await decide('discard', 'two');
    const whose = '2 of this id, bank_a to bank_b, bank_a to bank_c: give --to, or --yes to discard them\n';
    assert.deepEqual([both.code, both.stdout], [0, whose]);
    assert.deepEqual(await left(), ['one to bank_c', 'two to bank_b', 'two to bank_c']);
    assert.equal((await decide('discard', 'two', '--to', 'bank_c')).code, 0);
    assert.equal((await decide('discard', 'one', '--all')).code, 0);
    assert.deepEqual(await left(), ['two to bank_b']);
    await sql(
      `update backstitch.outbox_parked set stream = 'bank_a/bank_x/0';
       insert into backstitch.outbox_relays (stream, epoch, owner) values ('bank_a/bank_x/0', 1, 'an old worker')`,
    );
    const { stdout } = await world.run('messages', 'list', '--outbox', 'bank_a');
    const told = /nobody any more \(an old worker since 20\S+Z\): messages discard --left bank_a\/bank_x\/0/;
    assert.match(stdout, told);
    await sql('truncate backstitch.outbox_lanes, backstitch.outbox_parked');
  });

  it('refuses what makes no sense in one line', async () => {
    const none = await decide('discard');
    assert.deepEqual([none.code, none.stdout], [2, '']);
    assert.match(none.stderr.join(' '), /give the id of a message, or --outbox, --to or --topic/);
    const both = await decide('discard', '--left', 'bank_a/bank_x/0', '--topic', 'a');
    assert.deepEqual([both.code, both.stdout], [2, '']);
    const nothing = await decide('discard', '--left', 'bank_a/bank_y/0', '--yes');
    assert.equal(nothing.code, 1);
    assert.match(nothing.stdout, /'bank_a\/bank_y\/0' is no stream that is left over: see messages list/);
    const unknown = await world.run('messages', 'list', '--outbox', 'nowhere');
    assert.equal(unknown.code, 1);
    assert.match(
      unknown.stdout,
      /nowhere could not be read: there is no such outbox: the worker has bank_a, bank_b, bank_c/,
    );
    const direct = await send(newId(), 'bank_c:carol', '--lane', 'direct');
    assert.deepEqual([direct.code, direct.stdout], [2, '']);
    assert.match(direct.stderr.join(' '), /--lane.*direct/);
  });
});

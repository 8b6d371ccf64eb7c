import assert from 'node:assert/strict';
import pg from 'pg';
import { createShop, migrateShop, serviceNames, type ServiceName, type Shop } from '../../../src/activities/index.js';
import { bankNames, transferGid, type BankName, type Transfer } from '../../../src/contracts/transfer.js';
import type { Operation, Scheme } from '../../../src/kit/workflow/branch.js';
import { operation } from '../../activities/support.js';
import { benchDatabases, type BenchTestDatabases } from '../../bench/support/databases.js';
import type { Place, TransactionName, Wanted } from './business.js';
import { transfers } from './transfers.js';

/** 30.00 and 50.00 to a third account, each at a bank of its own. */
const input: Transfer = {
  id: 'c1',
  from: [
    { bank: 'bank_a', account: 'a001', amount: 3_000 },
    { bank: 'bank_b', account: 'a001', amount: 5_000 },
  ],
  to: [{ bank: 'bank_c', account: 'a001', amount: 8_000 }],
};
const legs = { 'from-1': input.from[0], 'from-2': input.from[1], 'to-1': input.to[0] };
export type LegName = keyof typeof legs;
export const legNames = Object.keys(legs) as LegName[];
export const gid = transferGid(input.id);

const PREPARED = 'select gid as name from pg_prepared_xacts where database = current_database()';
const ENTER = `
insert into entries (gid, branch, kind, account, amount) values ($1, $2, $3, $4, $5), ($1, $2, $3, 'clearing', -$5::bigint)`;

/** The banks of a chaos run, opened anew for each test of the group that makes them, and one transfer, operation by operation. */
export class TestBanks {
  #made: BenchTestDatabases<ServiceName> | undefined;
  #shop: Shop | undefined;

  constructor() {
    before(async () => {
      this.#made = await benchDatabases(serviceNames);
      await migrateShop(this.#made.databases);
      this.#shop = createShop({ databases: this.#made.databases });
    });
    after(() => this.#made?.drop());
    beforeEach(async () => {
      for (const bank of bankNames) {
        await this.damage(bank, 'truncate accounts, entries, holds, transfers, purchases, backstitch.guard');
        const accounts = Array.from({ length: 100 }, (_, index) => `a${String(index + 1).padStart(3, '0')}`);
        await this.shop.plain['banks.openAccounts']({ bank, accounts, cents: 10_000 });
      }
    });
    afterEach(async () => {
      for (const bank of bankNames) await this.rollBackPrepared(bank);
    });
  }

  get shop(): Shop {
    return this.#shop ?? assert.fail('the banks are not open yet');
  }

  /** What may not be, when this scheme was asked to move it; with none, nobody was. */
  always(transaction?: TransactionName): Promise<readonly string[]> {
    const plan = { lane: 'durable', retries: 0, deadline: 1_000 } as const;
    const wanted: Wanted[] = transaction === undefined ? [] : [{ gid, transaction, input, plan }];
    return transfers.always(this.#place, wanted);
  }

  leftovers(): Promise<readonly string[]> {
    return transfers.leftovers(this.#place);
  }

  /** Does something with one leg. */
  async act(leg: LegName, what: 'do' | 'undo' | 'try' | 'confirm' | 'cancel'): Promise<void> {
    const { bank, ...move } = legs[leg] ?? assert.fail();
    const participant = this.shop.participants[bank];
    const [step, held] = leg === 'to-1' ? (['credit', 'deposit'] as const) : (['debit', 'withdraw'] as const);
    const call = (op: string, scheme: Scheme) => callOf(`${bank}.x.${op}`, { branch: leg, scheme });
    if (what === 'do') await participant[step].action(call('action', 'saga'), move);
    else if (what === 'undo') await participant[step].compensation(call('compensation', 'saga'), move);
    else await participant[held][what](call(what, 'tcc'), move);
  }

  /** Does something with several legs, one after the other. */
  async each(some: readonly LegName[], what: Parameters<TestBanks['act']>[1]): Promise<void> {
    for (const leg of some) await this.act(leg, what);
  }

  /** Does something with all that is moved at one bank. */
  async atBank(bank: BankName, what: 'prepare' | 'commit' | 'rollback'): Promise<void> {
    const moves = (side: 'from' | 'to') =>
      input[side].flatMap(({ bank: at, account, amount }, index) =>
        at === bank ? [{ leg: `${side}-${index + 1}`, account, amount }] : [],
      );
    const asked = { from: moves('from'), to: moves('to') };
    const { move } = this.shop.participants[bank];
    const call = callOf(`${bank}.move.${what}`, { branch: bank, scheme: '2pc' });
    if (what === 'prepare') await move.prepare(call, asked);
    else if (what === 'commit') await move.commit(call, asked, 'yes');
    else await move.rollback(call, asked, undefined);
  }

  /** The same at every bank. */
  async atBanks(what: 'prepare' | 'commit'): Promise<void> {
    for (const bank of bankNames) await this.atBank(bank, what);
  }

  async lock(bank: BankName, account: string): Promise<void> {
    await this.shop.participants[bank].lock.action(callOf(`${bank}.lock.action`, { branch: 'lock-1' }), { account });
  }

  /** Adds a movement to a bank's entries, as the bank itself would: two entries that sum to 0. */
  async enter(bank: BankName, branch: string, kind: string, account: string, amount: number): Promise<void> {
    await this.run(bank, ENTER, [gid, branch, kind, account, amount]);
  }

  async run(bank: BankName, text: string, values?: readonly unknown[]): Promise<void> {
    await this.#databases[bank].run(text, values);
  }

  /** Writes with all rules of the database switched off. */
  damage(bank: BankName, text: string): Promise<void> {
    return this.#databases[bank].transaction(async (sql) => {
      await sql('set local session_replication_role = replica');
      await sql(text);
    });
  }

  /** Prepares something under a name that two-phase commit would give it. */
  async prepareAnything(bank: BankName): Promise<void> {
    const client = new pg.Client({ connectionString: this.#place.databaseUrl(bank) });
    await client.connect();
    await client.query(`begin; update accounts set status = 'open' where account = 'a001'`);
    await client.query(`prepare transaction 'backstitch/2pc/${gid}/${bank}/test'`);
    await client.end();
  }

  async rollBackPrepared(bank: BankName): Promise<void> {
    for (const { name } of await this.#databases[bank].run<{ name: string }>(PREPARED))
      await this.#of.plain[bank].run(`rollback prepared '${name}'`);
  }

  get #of(): BenchTestDatabases<ServiceName> {
    return this.#made ?? assert.fail('the banks are not open yet');
  }

  get #databases() {
    return this.#of.databases;
  }

  get #place(): Place {
    return { databaseUrl: (service: string) => this.#of.url(service as ServiceName) } as Place;
  }
}

function callOf(name: string, call: Partial<Operation>): Operation {
  return operation(name, gid, call);
}

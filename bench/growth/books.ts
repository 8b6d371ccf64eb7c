import { guardMigrations, migrate, type Database } from '../../src/kit/database/index.js';
import { differences, type Accounts } from '../books.js';
import { DEDUP_TABLE } from '../guards.js';
import { NOTHING, services, stepsOf, type GrowthOrder, type Service } from './saga.js';
import { ACCOUNTS, DOUBLED, FORGET, OPEN, TABLES } from './sql.js';

/** The books of the sagas that grow: what each took is missing once, in the accounts and in their entries. */

export type GrowthDatabases = Readonly<Record<Service, Database>>;

/** More than are ever in use at a time, so that sagas do not wait for each other's rows. */
const COUNT = 2_000;
/** More than all runs together can take. */
const PLENTY = 1_000_000_000_000;

/** The account of the so manyth saga. */
export function accountOf(index: number): string {
  return `account-${index % COUNT}`;
}

/** Makes the tables, those of the guard and of the dedup rows too, and opens the accounts. */
export async function prepareDatabases(databases: GrowthDatabases): Promise<void> {
  const names = Array.from({ length: COUNT }, (_, index) => accountOf(index));
  for (const service of services) {
    const { run } = databases[service];
    await migrate(databases[service], 'guard', guardMigrations);
    await run(DEDUP_TABLE);
    await run(TABLES);
    await run(OPEN, [names, PLENTY]);
    await run(OPEN, [[NOTHING], 0]);
  }
}

/** Forgets what entries there are: each cell begins with as many as the others. @returns the accounts before it */
export async function beginBooks(databases: GrowthDatabases): Promise<Accounts> {
  for (const service of services) await databases[service].run(FORGET);
  return readBooks(databases);
}

/** What is wrong after sagas have ended: one line each; none if all had their effect once, or none if they were undone. */
export async function proveBooks(
  databases: GrowthDatabases,
  before: Accounts,
  orders: readonly GrowthOrder[],
): Promise<string[]> {
  const doubled: string[] = [];
  for (const service of services) {
    const rows = await databases[service].run<{ saga: string; step: string }>(DOUBLED);
    doubled.push(
      ...rows.map(
        ({ saga, step }) =>
          `${service}: ${step} of ${saga} took or gave back more than once, or gave back what it had not taken`,
      ),
    );
  }
  return [...doubled, ...differences(before, await readBooks(databases), effectsOf(orders))];
}

async function readBooks(databases: GrowthDatabases): Promise<Accounts> {
  const accounts = new Map<string, number>();
  for (const service of services) {
    const rows = await databases[service].run<{ account: string; value: number }>(ACCOUNTS);
    for (const { account, value } of rows) accounts.set(`${service} ${account}`, value);
  }
  return accounts;
}

/** What sagas must have changed, by account, once each has ended. */
function effectsOf(orders: readonly GrowthOrder[]): Map<string, number> {
  const effects = new Map<string, number>();
  const add = (account: string, change: number) => effects.set(account, (effects.get(account) ?? 0) + change);
  for (const order of orders) {
    const steps = stepsOf(order);
    for (const { service, take } of order.undone ? steps.slice(0, -1) : steps) {
      add(`${service} entries`, 1);
      if (order.undone) add(`${service} entries given back`, 1);
      else add(`${service} ${take.account}`, -take.amount);
    }
  }
  return effects;
}

import { transactional, type Guard, type Sql } from '../../src/kit/database/index.js';
import { participant, type Tx } from '../../src/kit/workflow/index.js';

/** Wrong use of a transactional service must not compile; see saga.ts. */

interface Reserved {
  id: number;
}

const createStock = (sql: Sql) => ({
  limit: 5,
  reserve: (order: string, sku: string, units: number): Promise<Reserved> =>
    sql('…', [order, sku, units]).then(() => ({ id: 1 })),
  release: (order: string): Promise<void> => sql('…', [order]).then(() => undefined),
  announce: (order: string): Promise<string> => Promise.resolve(order),
  ship: (order: string, express?: boolean): Promise<number> => Promise.resolve(order.length + Number(express)),
  /** Not asynchronous. */
  count: (): number => 1,
});

export function stockOf(guard: Guard) {
  return transactional(guard, createStock, {
    reserve: {
      compensation: (service, [order, sku, units], result) => {
        const told: [string, string, number, number] = [order, sku, units, result.id];
        return service.release(told[0]);
      },
    },
    announce: { amends: (service, [order]) => service.announce(order) },
    ship: {},
  });
}
type Stock = ReturnType<typeof stockOf>;
const stock = participant<Stock['participant']>('inventory');

export async function inSaga(tx: Tx): Promise<unknown[]> {
  const { id } = await tx.run('reserve', stock.reserve, ['o', 'cd', 2]);
  const reserved: Reserved = await tx.run('again', stock.reserve, ['o', 'cd', 2]);
  const announced: string = await tx.run('announce', stock.announce, ['o'], { amends: true });
  const shipped: number = await tx.pivot('ship', stock.ship, ['o']);
  await tx.forward('express', stock.ship, ['o', true]);
  // @ts-expect-error the units are missing
  await tx.run('few', stock.reserve, ['o', 'cd']);
  // @ts-expect-error the units are a number
  await tx.run('text', stock.reserve, ['o', 'cd', '2']);
  // @ts-expect-error the input is the list of the arguments
  await tx.run('record', stock.reserve, { order: 'o', sku: 'cd', units: 2 });
  // @ts-expect-error it only goes forward
  await tx.run('forward', stock.ship, ['o']);
  // @ts-expect-error it cannot be undone, only amended
  await tx.run('amended', stock.announce, ['o']);
  // @ts-expect-error it has a compensation, no amends
  await tx.run('compensated', stock.reserve, ['o', 'cd', 2], { amends: true });
  // @ts-expect-error it takes no part
  await tx.run('release', stock.release, ['o']);
  return [id, reserved, announced, shipped];
}

export async function begun({ begin }: Stock): Promise<unknown[]> {
  const { service, undo, calls, gid } = begin('import-7');
  const { id } = await service.reserve('o', 'cd', 2);
  const shipped: number = await service.ship('o');
  // @ts-expect-error the units are missing
  await service.reserve('o', 'cd');
  // @ts-expect-error it takes no part
  const release: unknown = service.release;
  // @ts-expect-error the calls are not to be written
  calls.length = 0;
  await undo();
  return [id, shipped, gid, release];
}

export function plans(guard: Guard): unknown[] {
  return [
    // @ts-expect-error there is no such method
    transactional(guard, createStock, { refund: {} }),
    // @ts-expect-error it is no method
    transactional(guard, createStock, { limit: {} }),
    // @ts-expect-error it is not asynchronous
    transactional(guard, createStock, { count: {} }),
    // @ts-expect-error either a compensation or amends
    transactional(guard, createStock, { ship: { compensation: () => nothing, amends: () => nothing } }),
    // @ts-expect-error a misspelt undo would be none
    transactional(guard, createStock, { ship: { compensate: () => nothing } }),
    // @ts-expect-error the undo is for other arguments
    transactional(guard, createStock, { release: { compensation: (_, [order]: [number]) => Promise.resolve(order) } }),
    // @ts-expect-error an undo is asynchronous
    transactional(guard, createStock, { release: { compensation: () => 1 } }),
    // @ts-expect-error a service is made of an sql
    transactional(guard, (url: string) => ({ call: () => Promise.resolve(url) }), { call: {} }),
  ];
}
const nothing = Promise.resolve();

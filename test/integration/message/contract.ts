import type { MessageContract } from '../../../src/kit/client/index.js';
import { Rejection, type Sql } from '../../../src/kit/database/index.js';
import type { Operation } from '../../../src/kit/workflow/branch.js';
import type { Order } from './workflows.js';

/** What the producers of the test's message and its workflow agree on. */
export const paidMessage: MessageContract<Order, Order, number> = {
  workflow: 'paid',
  scheme: 'message',
  parse: (order) => order,
  gid: ({ id }) => id,
  summary: ({ id, n }) => `${id}: ${n}`,
  local: (order) => ({ operation: 'producer.pay', input: order }),
};

export const MOST = 1_000;

/** What everybody does: leaves a row. */
export async function note(sql: Sql, { gid, branch }: Operation, { n }: Order): Promise<{ n: number }> {
  if (n > MOST) throw new Rejection('TooMuch', `${n} is more than ${MOST}`);
  await sql('insert into effects (gid, branch, n) values ($1, $2, $3)', [gid, branch, n]);
  return { n };
}

import { setTimeout as delay } from 'node:timers/promises';
import {
  createOutbox,
  createSemanticLock,
  ObjectLocked,
  semanticLockSteps,
  type Database,
  type Guard,
  type Operation,
  type Outbound,
  type OutboundRequest,
  type Sql,
} from '../../src/kit/database/index.js';
import { onceInRedis, type Redis } from '../../src/kit/redis/index.js';
import type { Forward, Undoable } from '../../src/kit/workflow/index.js';

/**
 * A participant over PostgreSQL, Redis and a queue: it takes a unit of an order in PostgreSQL, shows in Redis what is left, and tells of it
 * by a message. What is shown is written as it was read before, in another transaction: two at once on one order show the wrong
 * number, unless the order is locked from the first step to the last.
 */

/** A unit is taken of an order. */
export interface Taking {
  readonly orderId: string;
}

interface Shown extends Taking {
  readonly left: number;
}

export const fulfilmentSql = `
create table stock (order_id text primary key, units integer not null, locked_by text, locked_at timestamptz);
-- What each step has done, less what it has undone.
create table marks (gid text not null, step text not null, mark integer not null);
create table met (gid text not null);`;

/** Its messages, for whoever relays them. */
export const notices = createOutbox({ name: 'fulfilment', subscribers: { queue: '*' } });

export const stockKey = (orderId: string) => `stock:${orderId}`;
export const shownKey = (gid: string) => `shown:${gid}`;

/** How long an attempt waits for an order that another has locked, in milliseconds: it is tried again after that. */
const LOCK_MS = 1_200;

export interface FulfilmentOptions {
  readonly database: Database;
  readonly guard: Guard;
  readonly outbound: Outbound;
  readonly redis: Redis;
}

export function createFulfilment({ database, guard, outbound, redis }: FulfilmentOptions) {
  const mark = (sql: Sql, { gid, branch }: Operation, by: 1 | -1) =>
    sql('insert into marks (gid, step, mark) values ($1, $2, $3)', [gid, branch, by]);
  const add = async (sql: Sql, { orderId }: Taking, units: number) => {
    const text = 'update stock set units = units + $2 where order_id = $1 returning units';
    const [row] = await sql<{ units: number }>(text, [orderId, units]);
    return { left: row?.units ?? Number.NaN };
  };

  const { lock, unlock } = semanticLockSteps<Taking>({
    guard,
    lock: createSemanticLock({ table: 'stock', key: 'order_id' }),
    keyOf: ({ orderId }) => orderId,
    nameOf: (orderId) => `order ${String(orderId)}`,
  });
  const patiently = async (operation: Operation, input: Taking) => {
    const until = performance.now() + LOCK_MS;
    for (;;) {
      try {
        await lock.action(operation, input);
        return;
      } catch (error) {
        if (!(error instanceof ObjectLocked)) throw error;
        await database.run('insert into met (gid) values ($1)', [operation.gid]);
        if (performance.now() > until) throw error;
        await delay(100, undefined, { signal: operation.signal });
      }
    }
  };

  /** Writes what is left, and counts that it was written, or written back. */
  const show = (gid: string, by: 1 | -1): OutboundRequest<[Shown, ...unknown[]], number> => ({
    async send({ key }, { orderId, left }) {
      const answer = await onceInRedis({
        ...{ redis, key, keys: [stockKey(orderId), shownKey(gid)] },
        script: `redis.call('set', KEYS[1], ARGV[1])\nredis.call('incrby', KEYS[2], ARGV[2])\nreturn ARGV[1]`,
        args: [String(by === 1 ? left : left + 1), String(by)],
      });
      return Number(answer);
    },
  });

  return {
    lock: { action: patiently, compensation: lock.compensation } satisfies Undoable<Taking, void>,
    take: {
      action: (operation, input) =>
        guard.apply(operation, input, async (sql) => {
          await mark(sql, operation, 1);
          return add(sql, input, -1);
        }),
      compensation: (operation, input) =>
        guard.undo(operation, input, async (sql) => {
          await mark(sql, operation, -1);
          return add(sql, input, 1);
        }),
    } satisfies Undoable<Taking, { left: number }>,
    show: {
      action: (operation, input) => outbound.apply(operation, input, show(operation.gid, 1)),
      compensation: (operation, input) =>
        outbound.undo(operation, input, show(operation.gid, 1), show(operation.gid, -1)),
    } satisfies Undoable<Shown, number>,
    tell: {
      action: (operation, input) =>
        guard.apply(operation, input, async (sql) => {
          await mark(sql, operation, 1);
          const { gid } = operation;
          await notices.add(sql, { id: gid, topic: 'order.fulfilled', key: input.orderId, payload: input });
        }),
    } satisfies Forward<Shown, void>,
    unlock,
  };
}

export type Fulfilment = ReturnType<typeof createFulfilment>;

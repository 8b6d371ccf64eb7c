import { createGuard, Rejection, type Database, type Guard } from '../../src/kit/database/index.js';
import type { Engine } from '../engine.js';
import { dedupRow } from '../guards.js';
import { directSystem, PATIENT } from '../systems/direct.js';
import { operation } from '../systems/in-process.js';
import { groupedSystem } from '../systems/grouped.js';
import type { KitSaga, System } from '../systems/system.js';
import { kitSystem } from '../systems/with-engine.js';
import type { GrowthDatabases } from './books.js';
import { REFUSED, services, stepsOf, type GrowthOrder, type Service } from './saga.js';
import { createTaker, type Taker } from './taker.js';
import { growthSaga } from './workflows.js';

/** The lanes whose cost is measured as work grows, beside plain SQL with dedup rows. */

/** What lanes run on. */
export interface GrowthBench {
  readonly engine: Engine;
  readonly databases: GrowthDatabases;
  /** The same, without anything of the kit. */
  readonly plain: GrowthDatabases;
  /** Where the durable lane's log is kept. */
  readonly operations: Database;
}

/** Every lane, in the order in which they are printed. */
const lanes = {
  'floor+dedup': ({ plain }: GrowthBench) => floorSystem(takersOf(plain, dedupRow)),
  direct: ({ engine, databases }: GrowthBench) => directSystem(engine, growth(databases), PATIENT),
  grouped: ({ engine, databases }: GrowthBench) => groupedSystem(engine, growth(databases)),
  lean: ({ engine, databases }: GrowthBench) => kitSystem(engine, growth(databases), 'lean'),
  durable: ({ engine, databases, operations }: GrowthBench) =>
    kitSystem(engine, growth(databases), 'durable', { databases, operations }),
} as const satisfies Record<string, (bench: GrowthBench) => System<GrowthOrder>>;

export type LaneName = keyof typeof lanes;
export const laneNames = Object.keys(lanes) as LaneName[];

/** Makes the lanes that are wanted, with their names. */
export function createLanes(bench: GrowthBench, wanted: readonly LaneName[]) {
  return wanted.map((name): [LaneName, System<GrowthOrder>] => [name, lanes[name](bench)]);
}

function takersOf(databases: GrowthDatabases, guard: (database: Database) => Guard): Record<Service, Taker> {
  const takers = services.map((service) => [service, createTaker({ guard: guard(databases[service]) })]);
  return Object.fromEntries(takers) as Record<Service, Taker>;
}

function growth(databases: GrowthDatabases): KitSaga<GrowthOrder> {
  return {
    contract: {
      workflow: 'growthSaga',
      scheme: 'saga',
      parse: (order) => order,
      gid: ({ saga }) => saga,
      summary: ({ saga, steps }) => `saga ${saga}: ${steps} steps`,
    },
    saga: growthSaga,
    workflows: './growth/workflows',
    participants: takersOf(databases, createGuard),
    databases,
    refusal: REFUSED,
  };
}

/** The steps in this process, one after the other, and what was done undone when one is refused. */
function floorSystem(takers: Record<Service, Taker>): System<GrowthOrder> {
  return {
    factor: 10,
    engine: false,
    start: () => Promise.resolve({ place: (order) => placeByHand(takers, order), stop: () => Promise.resolve() }),
  };
}

async function placeByHand(takers: Record<Service, Taker>, order: GrowthOrder): Promise<'done' | 'undone'> {
  const undo: (() => Promise<unknown>)[] = [];
  for (const { service, take } of stepsOf(order)) {
    const { action, compensation } = takers[service].take;
    const of = (op: 'action' | 'compensation') => operation({ orderId: order.saga }, take.step, op);
    try {
      await action(of('action'), take);
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      for (const step of undo) await step();
      return 'undone';
    }
    undo.unshift(() => compensation(of('compensation'), take));
  }
  return 'done';
}

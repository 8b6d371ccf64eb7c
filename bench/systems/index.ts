import { createShop, type ShopDatabases } from '../../src/activities/index.js';
import { createInventory } from '../../src/activities/inventory/index.js';
import { createOrders } from '../../src/activities/orders/index.js';
import { createPayments } from '../../src/activities/payments/index.js';
import type { Database, Guard } from '../../src/kit/database/index.js';
import type { Engine } from '../engine.js';
import { dedupRow, noGuard } from '../guards.js';
import type { SystemName } from '../report.js';
import { inProcessSystem, type Services } from './in-process.js';
import type { System } from './system.js';
import { groupedSystem } from './grouped.js';
import { handWrittenSystem, kitSystem } from './with-engine.js';

/**
 * All systems, over the same databases and the same engine.
 *
 * @param operations where the durable lane's log is kept; absent: it is not
 */
export function createSystems(
  engine: Engine,
  databases: ShopDatabases,
  operations?: Database,
): Record<SystemName, System> {
  const servicesWith = (guard: (database: Database) => Guard): Services => ({
    orders: createOrders({ guard: guard(databases.orders) }),
    payments: createPayments({ guard: guard(databases.payments) }),
    inventory: createInventory({ guard: guard(databases.inventory) }),
  });
  const { orders, payments, inventory } = createShop({ databases }).participants;
  const participants = { orders, payments, inventory };
  return {
    floor: inProcessSystem(servicesWith(noGuard)),
    'floor+guard': inProcessSystem(participants),
    'hand-written': handWrittenSystem(engine, servicesWith(dedupRow)),
    durable: kitSystem(engine, participants, 'durable', operations && { databases, operations }),
    lean: kitSystem(engine, participants, 'lean'),
    grouped: groupedSystem(engine, participants, databases),
  };
}

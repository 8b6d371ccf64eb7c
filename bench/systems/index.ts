import type { ShopDatabases } from '../../src/activities/index.js';
import { createInventory } from '../../src/activities/inventory/index.js';
import { createOrders } from '../../src/activities/orders/index.js';
import { createPayments } from '../../src/activities/payments/index.js';
import type { Database, Guard } from '../../src/kit/database/index.js';
import type { Engine } from '../engine.js';
import { dedupRow, noGuard } from '../guards.js';
import type { SystemName } from '../report.js';
import { directSystem } from './direct.js';
import { orderSaga } from './order.js';
import { inProcessSystem, type Services } from './in-process.js';
import type { System } from './system.js';
import { groupedSystem } from './grouped.js';
import { handWrittenSystem, kitSystem } from './with-engine.js';

/**
 * All systems, over the same databases and the same engine.
 *
 * @param plain the same databases without anything of the kit
 * @param operations where the durable lane's log is kept; absent: it is not
 */
export function createSystems(
  engine: Engine,
  databases: ShopDatabases,
  plain: ShopDatabases,
  operations?: Database,
): Record<SystemName, System> {
  const servicesWith = (guard: (database: Database) => Guard): Services => ({
    orders: createOrders({ guard: guard(plain.orders) }),
    payments: createPayments({ guard: guard(plain.payments) }),
    inventory: createInventory({ guard: guard(plain.inventory) }),
  });
  const saga = orderSaga(databases);
  const { participants } = saga;
  return {
    floor: inProcessSystem(servicesWith(noGuard)),
    'floor+dedup': inProcessSystem(servicesWith(dedupRow)),
    'floor+guard': inProcessSystem(participants),
    direct: directSystem(engine, saga),
    'hand-written': handWrittenSystem(engine, servicesWith(dedupRow)),
    durable: kitSystem(engine, saga, 'durable', operations && { databases, operations }),
    lean: kitSystem(engine, saga, 'lean'),
    grouped: groupedSystem(engine, saga),
  };
}

import { createFaults, faultPoints, type Fault } from './activities/faults.js';
import { saleFunctions } from './activities/sale/buy.js';
import { createSale } from './activities/sale/index.js';
import { ConfigError, workerSettings } from './config.js';
import type { SaleBuyer } from './contracts/sale.js';
import { wantedFaults } from './faults.js';
import { Pools } from './pools.js';

/**
 * Makes this process buy at flash sales, as a shop's server would: it connects to the databases of inventory and orders, which workers
 * have made, and to no Temporal server. What it leaves behind the reclaim takes back.
 *
 * @throws ConfigError: one line
 */
export function openShopSale(): SaleBuyer {
  const { databaseUrls, poolSize, faults: wanted } = workerSettings(['inventory', 'orders']);
  const faults = createFaults();
  for (const fault of faultsOfPurchases(wanted)) faults.set(fault);
  const pools = new Pools();
  // Whether they can be reached is found out when they are asked: an answer that is not known is pending.
  const open = (name: 'inventory' | 'orders') => pools.open(name, databaseUrls[name], poolSize);
  const sale = createSale({ inventory: open('inventory'), orders: open('orders') }, { probe: faults.probe });
  return { buy: sale.buy, pay: sale.pay, close: () => pools.close() };
}

/** Those of workers, which may stand in the same environment, are theirs. */
function faultsOfPurchases(wanted: string | undefined): Fault[] {
  const names: readonly string[] = saleFunctions;
  const faults = wantedFaults(wanted).filter((fault) => names.includes(fault.function));
  for (const { function: name, kind } of faults) {
    if (faultPoints[kind] === 'before' || faultPoints[kind] === 'committed') continue;
    throw new ConfigError(`BACKSTITCH_FAULTS: '${kind}' does not befall ${name}: its parts are one statement each`);
  }
  return faults;
}

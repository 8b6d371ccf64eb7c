import { everything } from './everything.js';
import { orders } from './orders.js';
import { transfers } from './transfers.js';

export * from './business.js';

/** What customers can ask for in a run. */
export const businesses = { orders, transfers, everything } as const;
export type BusinessName = keyof typeof businesses;

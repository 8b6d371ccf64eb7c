/** The registry that the worker loads: every business transaction of the shop, what opens and audits it, and the alarms. */
export { deliverAlarms } from '../kit/workflow/index.js';
export { placeOrder } from './place-order.js';
/** Of the kit. */
export { collectLog, scanTransactions, showLog } from '../kit/workflow/index.js';
export { openShop, proveBooks } from './shop.js';

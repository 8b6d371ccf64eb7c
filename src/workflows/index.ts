/** The registry that the worker loads: every business transaction of the shop, and what opens and audits it. */
export { placeOrder } from './place-order.js';
/** Of the kit. */
export { collectLog, scanTransactions, showLog } from '../kit/workflow/index.js';
export { openShop, proveBooks } from './shop.js';

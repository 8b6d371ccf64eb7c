/** The registry that the worker loads: every business transaction of the shop, and what opens and audits it. */
export { placeOrder } from './place-order.js';
export { closeLost, recallOrder, refundRecalled } from './recall-order.js';
export { scanTransactions } from '../kit/workflow/index.js';
export { openShop, orderState, proveBooks, recallState } from './shop.js';

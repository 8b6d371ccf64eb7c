/** The registry that the worker loads: every business transaction of the shop, what opens and audits it, and the kit's own. */
export {
  collectLog,
  deliverAlarms,
  promoteTransaction,
  readJournal,
  scanTransactions,
  showLog,
} from '../kit/workflow/index.js';
export { placeOrder } from './place-order.js';
export { closeLost, recallOrder, refundRecalled } from './recall-order.js';
export { openShop, orderState, proveBooks, recallState } from './shop.js';

/** The registry that the worker loads: every business transaction of the shop, what opens and audits it, and the kit's own. */
export {
  collectLog,
  compareAgents,
  countRefusals,
  decideLetters,
  decideMessages,
  deliverAlarms,
  deliverMessages,
  forgetOld,
  listJournal,
  promoteTransaction,
  readJournal,
  reconcile,
  reconcileDesk,
  scanTransactions,
  showLog,
  showMessages,
  stateTableDesk,
  threePhaseAgent,
} from '../kit/workflow/index.js';
export { accountStates, listBanks, openBanks, setAccountStatus } from './banks.js';
export {
  buyBook,
  giveUpPurchase,
  missedPurchases,
  openBookstore,
  pullPurchases,
  purchaseState,
  restockBook,
} from './bookstore.js';
export { orderLifecycle } from './order-lifecycle.js';
export {
  cancelPaidOrder,
  cancelUnpaidOrder,
  loseParcel,
  openOrder,
  payForOrder,
  recallParcel,
  refundOrder,
  shipOrder,
  takeParcelBack,
} from './order-lifecycle-sagas.js';
export { placeOrder } from './place-order.js';
export { lookAtOrder, payOrder, placeOrderChoreographed } from './place-order-choreographed.js';
export { placeOrderTcc } from './place-order-tcc.js';
export { closeLost, recallOrder, refundRecalled } from './recall-order.js';
export { closeSale, openSale, reclaimStock, saleBooks, salePurchase } from './sale.js';
export { lifecycleState, openShop, orderState, proveBooks, recallState, workAtWarehouse } from './shop.js';
export {
  transfer2pc,
  transfer3pc,
  transferMessage,
  transferSaga,
  transferOutbox,
  transferSagaLocked,
  transferTcc,
} from './transfer.js';

/** The registry that the worker loads: every business transaction of the shop. */
export { placeOrder } from './place-order.js';

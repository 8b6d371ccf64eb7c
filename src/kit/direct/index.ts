/**
 * `backstitch/direct`: what the caller's own process does in its own databases: drives sagas, where a workflow takes over on any trouble,
 * and does the local transactions of messages.
 */
export { directLane, type DirectLaneOptions } from './lane.js';
export { transactionalMessage, type LocalWork, type SentMessage, type TransactionalMessageOptions } from './message.js';
export type { DirectLane } from '../client/direct-lane.js';

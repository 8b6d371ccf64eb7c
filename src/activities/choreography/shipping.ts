import { dispatchParcel } from '../shipping/index.js';
import { outboxes } from './outboxes.js';
import { reactsTo, type Reactions } from './react.js';

/** What shipping does about events: a paid order's parcel leaves, once. It is the pivot: nothing after it undoes anything. */
export const shippingReactions: Reactions = reactsTo('payment.captured', outboxes.shipping, async (sql, { order }) => {
  const { shipmentId } = await dispatchParcel(sql, order);
  return { topic: 'parcel.dispatched', shipmentId };
});

/**
 * What a message says of an order, held against what the services have of it: a pure function, which knows no database.
 *
 * - `agrees`: all is as the message says.
 * - `later`: the order has gone on since; whoever tells of that is verified by its own message.
 * - `early`: something is not there yet, or is lost: the message is to come again. What never comes becomes a dead letter.
 * - `contradicts`: what is there cannot come of an order that is as the message says. Where the order is cancelled for good a program
 *   gives back what was taken (`repairs`); where its parcel has left, nobody but a person can say what is right.
 *
 * Invariant: a repair is named only for an order that is cancelled, whose parcel has not left, and only for what it has taken itself and
 * will be given back by nobody else.
 */

/** What the services have of an order; undefined: nothing. */
export interface FoundOrder {
  readonly order: 'created' | 'placed' | 'cancelled' | 'returned' | 'lost' | undefined;
  /** It was recalled: its money and its stock may be on their way back. */
  readonly recalled: boolean;
  readonly payment: 'requested' | 'frozen' | 'captured' | 'refunded' | 'released' | 'expired' | undefined;
  readonly stock: 'frozen' | 'reserved' | 'released' | undefined;
  /** The choreography has reserved it, and not another transaction for an order of the same id. */
  readonly isOwnStock: boolean;
  /** Its parcel has left. */
  readonly parcel: boolean;
}

export type VerifiedTopic = 'order.created' | 'order.placed' | 'order.cancelled';
export type Repair = 'refund' | 'release';

export type Verdict =
  | { readonly kind: 'agrees' }
  | { readonly kind: 'later' }
  | { readonly kind: 'early'; readonly why: string }
  | { readonly kind: 'contradicts'; readonly why: string; readonly repairs: readonly Repair[] };

export function verdictOf(topic: VerifiedTopic, found: FoundOrder): Verdict {
  switch (topic) {
    case 'order.created':
      if (found.order === undefined) return early('there is no order');
      return { kind: found.order === 'created' ? 'agrees' : 'later' };
    case 'order.placed':
      return placed(found);
    case 'order.cancelled':
      return cancelled(found);
  }
}

function placed({ order, recalled, payment, stock }: FoundOrder): Verdict {
  if (order === undefined || order === 'created') return early(`the order is ${order ?? 'not there'}`);
  if (order === 'cancelled') return contradicts('the order is cancelled');
  if (order === 'returned' || recalled) return { kind: 'later' };
  if (payment === 'refunded' || payment === 'expired' || payment === 'released')
    return contradicts(`the payment is ${payment}`);
  if (stock === 'released') return contradicts('the stock was put back');
  if (payment !== 'captured') return early(`the payment is ${payment ?? 'not there'}`);
  if (stock !== 'reserved') return early(`the stock is ${stock ?? 'not reserved'}`);
  return { kind: order === 'lost' ? 'later' : 'agrees' };
}

function cancelled({ order, payment, stock, isOwnStock, parcel }: FoundOrder): Verdict {
  if (order === undefined || order === 'created') return early(`the order is ${order ?? 'not there'}`);
  if (order !== 'cancelled') return contradicts(`the order is ${order}`);
  // Its customer has the goods: whether the money goes back is nothing that a program knows.
  if (parcel) return contradicts('its parcel has left');
  // What is only asked for, or held, ends by itself.
  if (payment === 'requested' || payment === 'frozen') return early(`the payment is ${payment}`);
  if (stock === 'frozen') return early('the stock is frozen');
  const taken = [
    ...(payment === 'captured' ? [{ repair: 'refund' as const, what: 'the payment is captured' }] : []),
    ...(stock === 'reserved' && isOwnStock ? [{ repair: 'release' as const, what: 'the stock is reserved' }] : []),
  ];
  if (taken.length === 0) return stock === 'reserved' ? early('another transaction has the stock') : { kind: 'agrees' };
  const why = taken.map(({ what }) => what).join(', and ');
  return { kind: 'contradicts', why, repairs: taken.map(({ repair }) => repair) };
}

function early(why: string): Verdict {
  return { kind: 'early', why };
}

/** No program may decide that. */
function contradicts(why: string): Verdict {
  return { kind: 'contradicts', why, repairs: [] };
}

import {
  dispatchSchema,
  loseParcelSchema,
  recallParcelSchema,
  takeBackParcelSchema,
  type Dispatch,
  type LoseParcel,
  type RecallParcel,
  type TakeBackParcel,
} from '../../contracts/services.js';
import type { RecallStatus } from '../../contracts/shop.js';
import { Rejection, type Guard, type Sql } from '../../kit/database/index.js';
import type { Forward } from '../../kit/workflow/participant.js';
import { validInput } from '../input.js';
import { DISPATCH, LOSE, RECALL, RECALL_STATUS, TAKE_BACK } from './sql.js';

/** What dispatching an order answers. */
export interface Dispatched {
  shipmentId: string;
}

/** Whose parcel came back, and what is in it. */
interface TakenBack {
  customerId: string;
  sku: string;
}

/** The shipping service: parcels that leave the house, and those that the carrier is asked to bring back. */
export function createShipping({ guard }: { guard: Guard }) {
  /** Sends the parcel. It has no undo: it is a pivot. Rejections: `AlreadyDispatched`, `InvalidInput`. */
  const dispatch = {
    action: (operation, input) => {
      const valid = () => validInput(dispatchSchema, input);
      const atOnce = () => ({ statement: DISPATCH, values: valuesOf(valid()) });
      return guard.apply(operation, input, (sql) => dispatchParcel(sql, valid()), atOnce);
    },
  } satisfies Forward<Dispatch, Dispatched>;

  /** Asks the carrier for the parcel, once. Rejections: `NotDispatched`, `AlreadyRecalled`, `InvalidInput`. */
  const recall = {
    action: (operation, input) =>
      guard.apply(operation, input, async (sql) => {
        const { orderId, reason, actor } = validInput(recallParcelSchema, input);
        type Row = { customer_id: string; recalled: boolean };
        const [row] = await sql<Row>(RECALL, [orderId, reason, actor]);
        if (!row) throw new Rejection('NotDispatched', `no parcel of order ${orderId} has left`);
        if (!row.recalled) throw new Rejection('AlreadyRecalled', `the parcel of order ${orderId} was recalled before`);
        return { customerId: row.customer_id };
      }),
  } satisfies Forward<RecallParcel, { customerId: string }>;

  /** Notes that a recalled parcel came back. Rejections: `NotRecalled`, `RecallEnded`, `InvalidInput`. */
  const takeBack = {
    action: (operation, input) =>
      guard.apply(operation, input, async (sql) => {
        const { orderId } = validInput(takeBackParcelSchema, input);
        const [row] = await sql<{ customer_id: string; sku: string }>(TAKE_BACK, [orderId]);
        if (!row) throw await notRequested(sql, orderId);
        return { customerId: row.customer_id, sku: row.sku };
      }),
  } satisfies Forward<TakeBackParcel, TakenBack>;

  /** Notes that a recalled parcel is lost, and logs who said so and why. Rejections: as {@link takeBack}. */
  const lose = {
    action: (operation, input) =>
      guard.apply(operation, input, async (sql) => {
        const { orderId, reason, actor } = validInput(loseParcelSchema, input);
        const [row] = await sql(LOSE, [orderId, actor, reason]);
        if (!row) throw await notRequested(sql, orderId);
        return { orderId };
      }),
  } satisfies Forward<LoseParcel, { orderId: string }>;

  return { dispatch, recall, takeBack, lose };
}

export type Shipping = ReturnType<typeof createShipping>;

/** Sends the parcel. @throws Rejection `AlreadyDispatched`: nothing has changed */
export async function dispatchParcel(sql: Sql, parcel: Dispatch): Promise<Dispatched> {
  const [row] = await sql<Dispatched>(DISPATCH.text, valuesOf(parcel));
  if (!row) throw new Rejection('AlreadyDispatched', `order ${parcel.orderId} was dispatched before`);
  return row;
}

function valuesOf({ orderId, customerId, sku, units }: Dispatch): readonly unknown[] {
  return [orderId, customerId, sku, units];
}

async function notRequested(sql: Sql, orderId: string): Promise<Rejection> {
  const [recall] = await sql<{ status: RecallStatus }>(RECALL_STATUS, [orderId]);
  if (recall === undefined) return new Rejection('NotRecalled', `the parcel of order ${orderId} was not recalled`);
  return new Rejection('RecallEnded', `the parcel of order ${orderId} was ${recall.status} before`);
}

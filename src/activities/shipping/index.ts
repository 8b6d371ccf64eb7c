import { dispatchSchema, type Dispatch } from '../../contracts/services.js';
import { Rejection, type Guard } from '../../kit/database/index.js';
import type { Forward } from '../../kit/workflow/participant.js';
import { validInput } from '../input.js';
import { DISPATCH } from './sql.js';

/** What dispatching an order answers. */
interface Dispatched {
  shipmentId: string;
}

/** The shipping service: parcels that leave the house. */
export function createShipping({ guard }: { guard: Guard }) {
  /** Sends the parcel. It has no undo: it is a pivot. Rejections: `AlreadyDispatched`, `InvalidInput`. */
  const dispatch = {
    action: (operation, input) =>
      guard.apply(operation, input, async (sql) => {
        const { orderId, customerId, sku, units } = validInput(dispatchSchema, input);
        const [row] = await sql<{ shipment_id: string }>(DISPATCH, [orderId, customerId, sku, units]);
        if (!row) throw new Rejection('AlreadyDispatched', `order ${orderId} was dispatched before`);
        return { shipmentId: row.shipment_id };
      }),
  } satisfies Forward<Dispatch, Dispatched>;

  return { dispatch };
}

export type Shipping = ReturnType<typeof createShipping>;

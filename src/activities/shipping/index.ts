import { dispatchSchema, type Dispatch } from '../../contracts/services.js';
import { Rejection, type Guard } from '../../kit/database/index.js';
import type { Operation } from '../../kit/workflow/branch.js';
import { validInput } from '../input.js';
import { DISPATCH } from './sql.js';

/** What dispatching an order answers. */
export interface Dispatched {
  shipmentId: string;
}

/** The shipping service: parcels that leave the house. */
export function createShipping({ guard }: { guard: Guard }) {
  return {
    /** Sends the parcel. It has no undo: it is a pivot. Rejections: `AlreadyDispatched`, `InvalidInput`. */
    dispatch: {
      action: (operation: Operation, input: Dispatch): Promise<Dispatched> =>
        guard.apply(operation, input, async (sql) => {
          const { orderId, customerId, sku, units } = validInput(dispatchSchema, input);
          const [row] = await sql<{ shipment_id: string }>(DISPATCH, [orderId, customerId, sku, units]);
          if (!row) throw new Rejection('AlreadyDispatched', `order ${orderId} was dispatched before`);
          return { shipmentId: row.shipment_id };
        }),
    },
  };
}

export type Shipping = ReturnType<typeof createShipping>;

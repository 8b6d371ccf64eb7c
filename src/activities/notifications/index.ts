import { tellSchema, type Tell } from '../../contracts/services.js';
import { Rejection, type Guard, type Sql } from '../../kit/database/index.js';
import type { Amendable, Forward } from '../../kit/workflow/participant.js';
import { validInput } from '../input.js';
import { NOTIFY, type Kind } from './sql.js';

/** What telling a customer answers. */
export interface Told {
  orderId: string;
}

/**
 * The notifications service: what customers are told, each thing once. What was sent cannot be taken back, only
 * corrected by another message. Rejections: `AlreadyNotified`, `InvalidInput`.
 */
export function createNotifications({ guard }: { guard: Guard }) {
  const telling = (kind: Kind) =>
    ({
      action: (operation, input) =>
        guard.apply(
          operation,
          input,
          (sql) => tellCustomer(sql, kind, validInput(tellSchema, input)),
          () => ({ statement: NOTIFY, values: valuesOf(kind, validInput(tellSchema, input)) }),
        ),
    }) satisfies Forward<Tell, Told>;

  /** Tells the customer that the order is on its way. */
  const orderPlaced = telling('order-placed');

  /** Tells the customer that the order came in. */
  const announce = {
    ...telling('order-received'),
    /** Tells the customer that the order comes to nothing after all. */
    amends: (operation, input) => guard.undo(operation, input, (sql) => tellCustomer(sql, 'order-undone', input)),
  } satisfies Amendable<Tell, Told>;

  /** Tells the customer that the order was recalled: what was said before does not hold any more. */
  const orderRecalled = telling('order-recalled');

  /** Tells the customer that an order that was announced comes to nothing: by itself, where that was not done when it was undone. */
  const correct = telling('order-undone');

  return { orderPlaced, announce, orderRecalled, correct };
}

export type Notifications = ReturnType<typeof createNotifications>;

function valuesOf(kind: Kind, { orderId, customerId }: Tell): readonly string[] {
  return [orderId, kind, customerId];
}

/** Tells a customer something of an order. @throws Rejection `AlreadyNotified`: nothing has changed */
export async function tellCustomer(sql: Sql, kind: Kind, told: Tell): Promise<Told> {
  const [row] = await sql<Told>(NOTIFY.text, valuesOf(kind, told));
  if (!row)
    throw new Rejection('AlreadyNotified', `customer ${told.customerId} was told of order ${told.orderId} before`);
  return row;
}

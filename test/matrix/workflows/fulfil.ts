import { participant, saga } from '../../../src/kit/workflow/index.js';
import type { Fulfilment, Taking } from '../fulfilment.js';

const fulfilment = participant<Fulfilment>('fulfilment');

/** How often it asks for an order that another has locked: each attempt waits for a while. */
const ASKED = 8;

/** Takes a unit of an order, in PostgreSQL, in Redis and by a message, while nobody else has the order. Strictly: the lock goes last. */
export const fulfil = saga({ undo: 'strict' }, async (tx, order: Taking) => {
  await tx.run('lock', fulfilment.lock, order, { retries: ASKED });
  const { left } = await tx.run('take', fulfilment.take, order);
  await tx.run('show', fulfilment.show, { ...order, left });
  await tx.pivot('tell', fulfilment.tell, { ...order, left });
  await tx.forward('unlock', fulfilment.unlock, order);
});

import { checked } from '../state-machine/checked.js';
import { machineWorkflow, saga, type EffectOrder, type RunOrder } from '../../../../src/kit/workflow/index.js';
import { parcel, rows, side } from '../state-machine/parcel.js';

/** What follows the pivot keeps the answer waiting: `tell` may take long. */
export const payParcel = saga({}, async (tx, order: EffectOrder) => {
  const { id } = order;
  const { taken } = await tx.run('take', side.take, { id }, { timeout: '5 minutes' });
  await tx.pivot('move', rows.move, order.move);
  await tx.forward('tell', side.tell, { id });
  return { taken };
});

export const returnParcel = saga({ retries: 0 }, async (tx, { id }: RunOrder) => {
  await tx.run('fetch', side.fetch, { id });
});

export const openParcel = saga({}, async (tx, { id }: RunOrder) => {
  await tx.run('open', side.open, { id }, { timeout: '5 minutes' });
});

export const checkParcel = saga({ retries: 0 }, async (tx, { id }: RunOrder) => {
  await tx.run('check', side.check, { id });
});

/** What its first state begins may end when it is elsewhere. */
export const parcelChecked = machineWorkflow(checked, { rows });
export const parcelLife = machineWorkflow(parcel, { rows });
/** It continues as new after a few events of its history; not before it is open, as this server never answers a query that meets that. */
export const parcelShort = machineWorkflow(parcel, { rows, historyEvents: 30 });
/** Nobody waits for long. */
export const parcelHasty = machineWorkflow(parcel, { rows, patienceMs: 1_500 });
/** It has its row made, gets messages of an outbox, and has room for few. */
export const parcelBegun = machineWorkflow(parcel, {
  ...{ rows, begin: 'openParcel', queue: 1 },
  onMessage: (given) => {
    const { id, payload } = given as { id: string; payload: string };
    return { id, event: payload };
  },
});

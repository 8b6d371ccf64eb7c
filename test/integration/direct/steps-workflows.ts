import { participant, saga, type Operation } from '../../../src/kit/workflow/index.js';

/** Small sagas of steps at three participants: what a worker loads, and releases before and after it. */

export { deliverAlarms, listJournal, promoteTransaction, readJournal } from '../../../src/kit/workflow/index.js';

/** What a step is asked: its effect is this number. */
export interface Asked {
  readonly n: number;
  readonly currency?: string;
  readonly note?: string;
}

interface Step {
  readonly do: {
    readonly action: (operation: Operation, input: Asked) => Promise<{ readonly at: string }>;
    readonly compensation: (
      operation: Operation,
      input: Asked,
      result: { readonly at: string } | undefined,
    ) => Promise<void>;
  };
}
const a = participant<Step>('a');
const b = participant<Step>('b');
const c = participant<Step>('c');

export interface Order {
  readonly gid: string;
  n: number;
  readonly note?: string;
  readonly day?: Date;
  readonly bFirst?: boolean;
}
export interface Done {
  readonly n: number;
}

/** `one` at a, `two` at b, `three` at c. */
export const simple = saga({}, async (tx, { n, note }: Order): Promise<Done> => {
  await tx.run('one', a.do, { n, note });
  await tx.run('two', b.do, { n });
  await tx.run('three', c.do, { n });
  return { n };
});

/** A release before it: there was only `two`. */
export const bOnly = saga({}, async (tx, { n }: Order): Promise<Done> => {
  await tx.run('two', b.do, { n });
  return { n };
});

/** The next release of it: a step says more. */
export const saysMore = saga({}, async (tx, { n, note }: Order): Promise<Done> => {
  await tx.run('one', a.do, { n, note });
  await tx.run('two', b.do, { n, currency: 'EUR' });
  await tx.run('three', c.do, { n });
  return { n };
});

/** The next release of it: there is one step more. */
export const doesMore = saga({}, async (tx, { n, note }: Order): Promise<Done> => {
  await tx.run('one', a.do, { n, note });
  await tx.run('extra', b.do, { n });
  await tx.run('two', b.do, { n });
  await tx.run('three', c.do, { n });
  return { n };
});

/** The next release of that: there are two steps more. */
export const doesMost = saga({}, async (tx, { n }: Order): Promise<Done> => {
  await tx.run('one', a.do, { n });
  await tx.run('extra', b.do, { n });
  await tx.run('most', b.do, { n });
  await tx.run('two', b.do, { n });
  await tx.run('three', c.do, { n });
  return { n };
});

/** The same as the first, but it does not take everything. */
export const choosy = saga({}, async (tx, order: Order): Promise<Done> => {
  if (order.n < 0) throw new RangeError('a number below zero');
  return simple.definition.body(tx, order);
});

/** Its body changes what it was given. */
export const changesInput = saga({}, async (tx, order: Order): Promise<Done> => {
  order.n += 5;
  await tx.run('one', a.do, { n: order.n });
  await tx.run('two', b.do, { n: order.n });
  return { n: order.n };
});

/** Its body takes what it was given for what the caller had, and not for what JSON makes of it. */
export const takesObjects = saga({}, async (tx, { n, day }: Order): Promise<Done> => {
  const { at } = await tx.run('one', a.do, { n });
  const given = typeof day === 'string' && typeof at === 'string' ? n : -1;
  await tx.run('two', b.do, { n: given });
  await tx.run('three', c.do, { n: given });
  return { n: given };
});

/** Which step comes first depends on the input. */
export const eitherFirst = saga({}, async (tx, { n, bFirst }: Order): Promise<Done> => {
  const one = () => tx.run('one', a.do, { n });
  const two = () => tx.run('two', b.do, { n });
  if (bFirst === true) {
    await two();
    await one();
  } else {
    await one();
    await two();
  }
  return { n };
});

/** Another transaction. */
export const other = saga({}, async (tx, { n }: Order): Promise<Done> => {
  await tx.run('refund', b.do, { n });
  return { n };
});

import {
  halfMessage,
  localTransaction,
  participant,
  prepare,
  saga,
  StepFailed,
  subscriber,
  tcc,
  twoPhaseCommit,
  type Tx,
} from '../../../../src/kit/workflow/index.js';
import type { Counter } from '../support/counter.js';
import type { Letters, Side } from '../support/letters.js';

/** Small sagas, each the least that shows one rule. Every step's input is its own name. */

const letters = participant<Letters>('letters');

const a = (tx: Tx) => tx.run('a', letters.a, 'a', { summary: 'do a' });
const b = (tx: Tx) => tx.run('b', letters.b, 'b');
const c = (tx: Tx) => tx.run('c', letters.c, 'c');
const turn = (tx: Tx) => tx.pivot('turn', letters.turn, 'turn');
const f = (tx: Tx) => tx.forward('f', letters.f, 'f');
const g = (tx: Tx) => tx.forward('g', letters.g, 'g');

/** Three steps, the pivot, two steps after it side by side. */
export const whole = saga({}, async (tx) => {
  const did = [await a(tx), await b(tx), await c(tx), await turn(tx)];
  return [
    ...did,
    ...(await tx.parallel(
      () => f(tx),
      () => g(tx),
    )),
  ];
});

/** Three tries side by side. */
export const held = tcc({}, (tx) =>
  tx.parallel(
    () => tx.try('h', letters.h, 'h'),
    () => tx.try('i', letters.i, 'i'),
    () => tx.try('j', letters.j, 'j'),
  ),
);

/** Three tries, one after the other; what is refused at the second is tried another way. */
export const heldInTurn = tcc({ retries: 1 }, async (tx) => {
  const first = await tx.try('h', letters.h, 'h');
  try {
    return [first, await tx.try('i', letters.i, 'i')];
  } catch (error) {
    if (!(error instanceof StepFailed) || error.knowledge !== 'rejected') throw error;
    return [first, await tx.try('j', letters.j, 'j')];
  }
});

const [north, south, west] = [participant<Side>('north'), participant<Side>('south'), participant<Side>('west')];

/** Three participants, named in another order than they are prepared in. */
export const voted = twoPhaseCommit(
  {},
  () => [prepare(west.move, 'w'), prepare(north.move, 'n'), prepare(south.move, 's')],
  () => 'done',
);

/** One participant, to which nobody else has to agree. */
export const votedAlone = twoPhaseCommit({ retries: 1 }, () => [prepare(north.move, 'n')]);

export const votedTwice = twoPhaseCommit({}, () => [prepare(north.move, 'n'), prepare(north.move, 'n again')]);

export const votedByNobody = twoPhaseCommit({}, () => []);

const pay = localTransaction(letters.turn, 'turn');

/** A message to two subscribers. */
export const told = halfMessage(
  {},
  () => ({ local: pay, to: [subscriber('f', letters.f, 'f'), subscriber('g', letters.g, 'g')] }),
  (_, local) => `told of ${String(local)}`,
);

const paid = localTransaction(letters.turn, 'turn', { branch: 'pay' });

/** The same, whose local transaction has a name of its own; a subscriber may have the usual one then. */
export const toldUnder = halfMessage({}, () => ({ local: paid, to: [subscriber('local', letters.f, 'f')] }));

export const toldUnderOne = halfMessage({}, () => ({ local: paid, to: [subscriber('pay', letters.f, 'f')] }));

export const toldNobody = halfMessage({}, () => ({ local: pay, to: [] }));

export const toldTwice = halfMessage({}, () => ({
  local: pay,
  to: [subscriber('f', letters.f, 'f'), subscriber('f', letters.g, 'g')],
}));

/** Two tries; what cannot be held follows once they are confirmed. */
export const heldThenSent = tcc({}, async (tx) => {
  const held = [await tx.try('h', letters.h, 'h'), await tx.try('i', letters.i, 'i')];
  await tx.confirm();
  return [...held, await tx.forward('f', letters.f, 'f')];
});

/** Does not wait for a try, and confirms. */
export const heldCarelessly = tcc({}, async (tx) => {
  void tx.try('h', letters.h, 'h');
  await tx.confirm();
  return tx.forward('f', letters.f, 'f');
});

/** Goes forward before all is confirmed. */
export const sentFirst = tcc({}, async (tx) => [
  await tx.try('h', letters.h, 'h'),
  await tx.forward('f', letters.f, 'f'),
]);

/** Tries after the confirm. */
export const triedLast = tcc({}, async (tx) => {
  await tx.try('h', letters.h, 'h');
  await tx.confirm();
  return tx.try('i', letters.i, 'i');
});

/** Hides that it confirms twice. */
export const confirmedTwice = tcc({}, async (tx) => {
  await tx.try('h', letters.h, 'h');
  await tx.confirm();
  await tx.confirm().catch(() => undefined);
});

/** No pivot. */
export const steps = saga({}, async (tx) => [await a(tx), await b(tx), await c(tx)]);

/** After `a`, one branch of one step, and one of two. */
export const besides = saga({}, async (tx) => {
  await a(tx);
  const [one, two] = await tx.parallel(
    () => b(tx),
    async () => ({ c: await c(tx), d: await tx.run('d', letters.d, 'd') }),
  );
  return { b: one, ...two };
});

/** When `b` fails, the body goes another way, and looks at nothing. */
export const otherWay = saga({}, async (tx) => {
  await a(tx);
  try {
    return await b(tx);
  } catch {
    return c(tx);
  }
});

/** Goes another way only when `b` was rejected. */
export const rejectedOnly = saga({}, async (tx) => {
  await a(tx);
  try {
    return await b(tx);
  } catch (error) {
    if (error instanceof StepFailed && error.knowledge === 'rejected')
      return `instead of ${error.type}: ${await c(tx)}`;
    throw error;
  }
});

/** Does not wait for `b`. */
export const careless = saga({}, async (tx) => {
  void b(tx);
  return a(tx);
});

/** The same, and `b` is the last that it does. */
export const forgetful = saga({}, async (tx) => {
  const did = await a(tx);
  void b(tx);
  return did;
});

export const buggy = saga({}, async (tx) => {
  await a(tx);
  return (undefined as unknown as string).length;
});

export const twice = saga({}, async (tx) => [await a(tx), await b(tx), await a(tx)]);

export const forwardFirst = saga({}, async (tx) => [await a(tx), await f(tx)]);

export const stepAfterPivot = saga({}, async (tx) => [await a(tx), await turn(tx), await b(tx)]);

export const pivotBeside = saga({}, async (tx) => {
  await tx.parallel(
    () => a(tx),
    () => turn(tx),
  );
});

/** Breaks the grammar, and hides it. */
export const hides = saga({}, async (tx) => {
  await a(tx);
  await f(tx).catch(() => undefined);
  return 'well';
});

/** A step whose timeout is no time. */
export const oddStep = saga({}, async (tx) => [
  await a(tx),
  await tx.run('b', letters.b, 'b', { timeout: 'soon' as never }),
]);

/** An input that no JSON carries. */
export const bigInput = saga({}, async (tx) => [await a(tx), await tx.run('b', letters.b, 5n as never)]);

/** Goes on working with the objects that a step was given, and gave. */
export const careful = saga({}, async (tx) => {
  const input = { letter: 'a' };
  const result = await tx.run('a', letters.object, input);
  input.letter = 'b';
  result.did = 'b';
  await b(tx);
});

/** Its options, in its own definition. */
export const withOptions = saga({ undo: 'parallel', retries: 1 }, async (tx) => [
  await a(tx),
  await tx.run('b', letters.b, 'b', { retries: 0 }),
  await tx.run('c', letters.c, 'c', { timeout: '0.3 seconds' }),
]);

/** A pivot that takes its time. */
export const slowTurn = saga({}, async (tx) => [
  await a(tx),
  await tx.pivot('turn', letters.turn, 'turn', { timeout: '1 minute' }),
]);

/** In the lean lane `b` is carried as an ordinary activity. */
export const longStep = saga({ lane: 'lean' }, async (tx) => [
  await a(tx),
  await tx.run('b', letters.b, 'b', { long: true }),
]);

/** Short steps, but for `b`: its timeout is above what a local activity has; that of `c` is below. */
export const leanSteps = saga({ lane: 'lean' }, async (tx) => [
  await a(tx),
  await tx.run('b', letters.b, 'b', { timeout: '1 minute' }),
  await tx.run('c', letters.c, 'c', { timeout: '0.3 seconds', retries: 1 }),
]);

/** One step, whose participant has a database. */
export const counts = saga({ lane: 'lean' }, async (tx) =>
  tx.run('count', participant<Counter>('counter').count, { by: 1 }),
);

/** A participant that the worker may not have. */
export const unregistered = saga({ lane: 'lean' }, async (tx) => [
  await a(tx),
  await tx.run('x', participant<Letters>('later').a, 'x'),
]);

/** A participant whose worker falls silent. */
export const silent = saga({ retries: 0 }, async (tx) => [
  await a(tx),
  await tx.run('x', participant<Letters>('silent').a, 'x'),
]);

/** A result of 600 kB, in a third as many characters. */
export const wordy = saga({}, () => Promise.resolve('漢'.repeat(200_000)));

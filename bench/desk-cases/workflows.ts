import { participant, saga, type Undoable } from '../../src/kit/workflow/index.js';

interface Sick {
  readonly take: Undoable<string, string>;
  readonly refuse: Undoable<string, string>;
}

const sick = participant<Sick>('sick');

/** A saga whose undo waits for a person. */
export const stuckOrder = saga({ lane: 'lean' }, async (tx, order: string) => {
  await tx.run('take', sick.take, order);
  await tx.run('refuse', sick.refuse, order);
});
export { deliverAlarms } from '../../src/kit/workflow/index.js';

import { participant, saga } from '../../../src/kit/workflow/index.js';
import type { Marks } from '../marks.js';

const marks = participant<Marks>('marks');

/** Sets a mark for each step; the pivot comes last. */
export const setMarks = saga({}, async (tx) => {
  await tx.run('first', marks.first, 'first');
  await tx.run('second', marks.second, 'second');
  await tx.pivot('turn', marks.turn, 'turn');
});

/** Without a pivot, side by side. */
export const setBesides = saga({ undo: 'parallel' }, async (tx) => {
  await tx.parallel(
    () => tx.run('first', marks.first, 'first'),
    () => tx.run('second', marks.second, 'second'),
  );
});

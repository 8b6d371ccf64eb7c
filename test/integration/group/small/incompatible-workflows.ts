import { participant, saga } from '../../../../src/kit/workflow/index.js';
import type { SmallParticipants } from './world.js';

const bank = participant<SmallParticipants['bank']>('bank');

/** `pair` of another release: as many steps, by other names. */
export const pair = saga({}, async (tx, { id }: { readonly id: string }) => {
  await tx.run('one', bank.take, { id });
  await tx.run('two', bank.take, { id });
  return 'pair is done';
});

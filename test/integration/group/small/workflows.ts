import { participant, saga } from '../../../../src/kit/workflow/index.js';
import type { SmallParticipants } from './world.js';

const bank = participant<SmallParticipants['bank']>('bank');
const mint = participant<SmallParticipants['mint']>('mint');
const post = participant<SmallParticipants['post']>('post');

interface Given {
  readonly id: string;
}

export const pair = saga({}, async (tx, { id }: Given) => {
  await tx.run('a', bank.take, { id });
  await tx.run('b', bank.take, { id });
  return 'pair is done';
});

/** As `pair` begins; it is another transaction nevertheless. */
export const single = saga({}, async (tx, { id }: Given) => {
  await tx.run('a', bank.take, { id });
  return 'single is done';
});

/** Its first step depends on its input. */
export const fork = saga({}, async (tx, { id, first }: Given & { readonly first: string }) => {
  await tx.run(first, bank.take, { id });
  await tx.run('b', bank.take, { id });
  return first;
});

/** Its first step's database depends on its input. */
export const crossed = saga({}, async (tx, { id, at }: Given & { readonly at: 'bank' | 'mint' }) => {
  await (at === 'bank' ? tx.run('a', bank.take, { id }) : tx.run('c', mint.take, { id }));
  await tx.run('b', bank.take, { id });
  return at;
});

/** Its first step has no database. */
export const posted = saga({}, async (tx, { id }: Given) => {
  await tx.run('post', post.send, { id });
  await tx.run('b', bank.take, { id });
  return 'posted is done';
});

/** Its first step has a database, and uses no guard. */
export const asked = saga({}, async (tx, { id }: Given) => {
  await tx.run('ask', bank.ask, { id });
  await tx.run('b', bank.take, { id });
  return 'asked is done';
});

export const hurried = saga({ deadline: '1 second' }, async (tx, { id }: Given) => {
  await tx.run('a', bank.take, { id });
  return 'hurried is done';
});

/** No transaction: something else that has an id. */
export async function somethingElse(): Promise<void> {
  return Promise.resolve();
}

export { readJournal, listJournal, promoteTransaction } from '../../../../src/kit/workflow/index.js';

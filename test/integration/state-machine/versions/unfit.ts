import { upsertMemo } from '@temporalio/workflow';
import * as one from './one.js';

/** A release whose code does not fit what the first one has recorded: it notes something first, and says so nowhere. */
export const ticketLife: typeof one.ticketLife = (start, carried) => {
  upsertMemo({ release: 'unfit' });
  return one.ticketLife(start, carried);
};

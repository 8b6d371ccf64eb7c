import {
  giveUpSchema,
  purchaseGid,
  type GiveUp,
  type PurchaseSide,
  type PurchaseState,
} from '../../contracts/bookstore.js';
import type { BankName } from '../../contracts/transfer.js';
import { createInbox, listLetters, type Database } from '../../kit/database/index.js';
import { messageOf } from '../../kit/database/message.js';
import { decideLetter } from '../../kit/database/outbox/letters.js';
import { validInput } from '../input.js';
import { answerOf } from './answer.js';
import { bar } from './barred.js';
import { bankOutbox } from './messages.js';
import { acknowledge, giveUp } from './purchases-sql.js';
import { messageOfPurchase, purchaseState } from './purchases.js';

/**
 * What a side has not done of a purchase a person may give up: the customer has the money back, say, and must not get the book, too.
 *
 * 1. The side's inbox is told to refuse the message, however it comes: in the outbox, on its way, pulled, or sent again. If the side has done
 *    its part before, it is not given up.
 * 2. The customer's bank notes it, with who it was and why.
 * 3. The message, if it is tried on or a dead letter, is discarded; one that was never tried is found refused, and is over.
 *
 * Each may be done again. Who dies after 1 leaves a purchase in progress whose message becomes a dead letter: it is given up when that is
 * asked for again.
 */

/** How long a side's inbox may take, in milliseconds: for a delivery that is on its way just now it waits for half of it at most. */
const BAR_MS = 8_000;

/** Who is asked: each bank, and each side for its inbox. */
export interface GivingUp {
  readonly looking: Readonly<Record<BankName, Database>>;
  readonly sides: Readonly<Record<PurchaseSide, Database>>;
}

/**
 * Gives up what a side has not done of a purchase: it will never do it. Who asks again changes nothing.
 *
 * @returns the purchase as it is then: the side is given up, or has done its part before; `null`: there is none
 * @throws BankSilent, or that the side's database cannot be used: ask again
 */
export async function giveUpPurchase({ looking, sides }: GivingUp, input: GiveUp): Promise<PurchaseState | null> {
  const { id, side, actor, reason } = validInput(giveUpSchema, input);
  const purchase = await purchaseState(looking, id);
  if (purchase === null || purchase[side] === 'done') return purchase;
  const { bank } = purchase.from;
  const gid = purchaseGid(id);
  const database = looking[bank];
  if (purchase[side] === 'in progress') {
    const inbox = createInbox({ database: sides[side], consumer: side, timeoutMs: BAR_MS });
    const message = messageOfPurchase(purchase, purchase.boughtAt);
    const never = await bar(inbox, message, `${actor}: ${reason}`).catch((error: unknown) => {
      throw new Error(`the database of the ${side} is silent or busy (${messageOf(error)}): ask again`, {
        cause: error,
      });
    });
    await answerOf(bank, database, ({ run }) =>
      never ? run(giveUp(side), [gid, actor, reason]) : run(acknowledge(side), [[gid]]),
    );
    if (!never) return purchaseState(looking, id);
  }
  await answerOf(bank, database, () => discard(bank, database, { gid, side, actor, reason }));
  return purchaseState(looking, id);
}

interface Discarded extends Pick<GiveUp, 'side' | 'actor' | 'reason'> {
  readonly gid: string;
}

/** Discards the message to a side, if it could not be delivered. What waits to be tried is found refused. */
async function discard(bank: BankName, database: Database, { gid, side, actor, reason }: Discarded): Promise<void> {
  const streams = bankOutbox(bank).streams.filter(({ subscriber }) => subscriber === side);
  const which = { id: gid, streams: streams.map(({ name }) => name), all: true };
  const { letters } = await listLetters(database, which);
  for (const { stream, seq } of letters) {
    await decideLetter(database, { action: 'discard', stream, seq, actor, reason, all: true });
  }
}

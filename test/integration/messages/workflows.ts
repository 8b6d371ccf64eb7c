import { condition, defineQuery, defineSignal, setHandler } from '@temporalio/workflow';
import type { Message } from '../../../src/kit/database/index.js';
import { firstTime, type SeenMessages } from '../../../src/kit/workflow/index.js';

export {
  decideLetters,
  decideMessages,
  deliverAlarms,
  deliverMessages,
  scanTransactions,
  showMessages,
} from '../../../src/kit/workflow/index.js';

/** A workflow that a message starts. */
export async function takeMessage(message: Message<number>): Promise<number> {
  return Promise.resolve(message.payload);
}

export const arrivedSignal = 'arrived';
export const gotQuery = 'got';

/** A workflow that gets messages by signals, until it has got so many. */
export async function gather(): Promise<number[]> {
  const got: number[] = [];
  const seen: SeenMessages = { ids: [] };
  setHandler(defineSignal<[Message<number>]>(arrivedSignal), (message) => {
    if (firstTime(seen, message.id)) got.push(message.payload);
  });
  setHandler(defineQuery<number[]>(gotQuery), () => got);
  await condition(() => got.length >= 3);
  return got;
}

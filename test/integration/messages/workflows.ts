import { condition, defineSignal, setHandler } from '@temporalio/workflow';
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

/** A workflow that gets messages by signals until it is told that these are all: one that ended by itself would be begun again by what comes twice. */
export async function gather(): Promise<number[]> {
  const got: number[] = [];
  const seen: SeenMessages = { ids: [] };
  let isAll = false;
  setHandler(defineSignal<[Message<number>]>('arrived'), (message) => {
    if (firstTime(seen, message.id)) got.push(message.payload);
  });
  setHandler(defineSignal('all'), () => {
    isAll = true;
  });
  await condition(() => isAll);
  return got;
}

import { messageOf } from '../message.js';
import type { Message } from '../../messages/message.js';
import { HeldUp } from '../../messages/sink.js';
import { isConnectionLost } from '../sqlstate.js';

/**
 * Many messages in one SQL transaction, of which some may fail: those are left out, and the others are done without them. What was
 * left out is done by itself at last, in order: only then it is certain that it fails, as before it had seen what others had done
 * that was taken back with it.
 */

/** A batch failed by these messages, by their places. */
export class BatchFailed extends Error {
  readonly places: readonly number[];

  constructor(places: readonly number[], cause?: unknown) {
    super('messages of a batch cannot be handled', { cause });
    this.name = 'BatchFailed';
    this.places = places;
  }
}

/** So often a batch is tried without those that failed; then each message goes by itself. */
const MOST_TRIES = 3;

/**
 * @param together handles all in one transaction, or none, and throws {@link BatchFailed} if it knows by whom it failed
 * @throws if the connection was lost
 */
export async function handleMany<Done>(
  messages: readonly Message[],
  {
    together,
    alone,
  }: {
    readonly together: (messages: readonly Message[]) => Promise<Done[]>;
    readonly alone: (message: Message) => Promise<Done>;
  },
): Promise<(Done | Error)[]> {
  const outcomes = new Array<Done | Error>(messages.length);
  let { rest, left } = split(messages);
  for (let tries = 1; rest.length > 1; tries++) {
    try {
      const done = await together(rest.map(({ message }) => message));
      rest.forEach(({ place }, index) => (outcomes[place] = done[index] as Done));
      rest = [];
    } catch (error) {
      const failed = error instanceof BatchFailed ? error : undefined;
      const cause: unknown = failed ? failed.cause : error;
      if (isConnectionLost(cause)) throw cause;
      if (failed === undefined || tries === MOST_TRIES) break;
      const out = failing(rest, failed.places);
      left = [...left, ...out];
      rest = rest.filter((each) => !out.has(each));
    }
  }

  const heldUp = new Set<string>();
  for (const { place, message } of [...left, ...rest].sort((one, other) => one.place - other.place)) {
    const { key } = message;
    if (key !== undefined && heldUp.has(key)) {
      outcomes[place] = new HeldUp();
      continue;
    }
    try {
      outcomes[place] = await alone(message);
    } catch (error) {
      if (isConnectionLost(error)) throw error;
      outcomes[place] = error instanceof Error ? error : new Error(messageOf(error), { cause: error });
      if (key !== undefined) heldUp.add(key);
    }
  }
  return outcomes;
}

interface Placed {
  readonly place: number;
  readonly message: Message;
}

/** Those that fail, and those of their keys behind them. */
function failing(batch: readonly Placed[], places: readonly number[]): Set<Placed> {
  const blamed = new Set(places);
  const keys = new Set<string>();
  return new Set(
    batch.filter(({ message: { key } }, index) => {
      const isOut = blamed.has(index) || (key !== undefined && keys.has(key));
      if (isOut && key !== undefined) keys.add(key);
      return isOut;
    }),
  );
}

/** What goes together, and what does not, as its id came before: it finds the row of the first only when that is committed. */
function split(messages: readonly Message[]): { rest: Placed[]; left: Placed[] } {
  const seen = new Set<string>();
  const [rest, left]: [Placed[], Placed[]] = [[], []];
  messages.forEach((message, place) => {
    (seen.has(message.id) ? left : rest).push({ place, message });
    seen.add(message.id);
  });
  return { rest, left };
}

import { asyncLocalStorage } from '@temporalio/activity';
import { messageOf } from '../../database/message.js';
import { leftStreams } from '../../database/outbox/left.js';
import { beginOrder, listLetters } from '../../database/outbox/letters.js';
import { standingOf } from '../../database/outbox/standing.js';
import { partsOf } from '../../database/outbox/subscribers.js';
import type { Database } from '../../database/sql.js';
import { within } from '../../database/within.js';
import type {
  LettersCursor,
  LettersPart,
  LettersPartOrder,
  MessagesActivities,
  ShownLetter,
  ShownStream,
} from '../../workflow/outbox.js';
import { READ_MS } from '../limited.js';
import type { RelayedOutbox } from './activities.js';
import { decidePart, dropPart, wholePart, type DecidedPart } from './decide.js';

/** As many as are shown. */
const SHOWN = 50;

/** The activities behind `showMessages` and `decideLetters`: what persons see of messages and decide about those that fail. */
export function messagesActivities(outboxes: readonly RelayedOutbox[]): MessagesActivities {
  /** Asks each outbox that is meant, and not done, of the streams that are; one whose database is silent holds up no other. */
  const each = async <T>(
    { outbox: name, to, after }: Pick<LettersPartOrder, 'outbox' | 'to' | 'after'>,
    ask: (outbox: RelayedOutbox, streams: Streams) => Promise<T>,
  ) => {
    const meant = outboxes.filter(
      ({ outbox }) => (name === undefined || outbox.name === name) && (after === undefined || outbox.name in after),
    );
    if (meant.length === 0) {
      const known = outboxes.map(({ outbox }) => outbox.name).join(', ');
      return unreadOnly(name, `there is no such outbox: the worker has ${known}`);
    }
    const asked = await Promise.allSettled(
      meant.map(async (outbox) => {
        const streams = await within(READ_MS, streamsOf(outbox, to));
        return streams.all.length > 0 ? [await ask(outbox, streams)] : [];
      }),
    );
    const found = asked.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    const unread = asked.flatMap((answer, place) =>
      answer.status === 'rejected'
        ? [{ outbox: meant[place]?.outbox.name ?? '', message: messageOf(answer.reason) }]
        : [],
    );
    if (found.length > 0 || unread.length > 0 || after !== undefined) return { found, unread };
    return unreadOnly(name, `there is no subscriber '${to ?? ''}': see messages list`);
  };

  const decide = async ({
    outbox: named,
    to,
    after,
    list = 1_000,
    left: dropped,
    ...order
  }: LettersPartOrder): Promise<LettersPart> => {
    const name = dropped === undefined ? named : partsOf(dropped).outbox;
    const part = async (database: Database, { all, left }: Streams, from: LettersCursor | undefined) => {
      if (from === undefined) {
        const why = dropped === undefined ? undefined : whyNotDropped(order.action, dropped, left);
        return why === undefined
          ? { decided: [], cursor: await within(READ_MS, beginOrder(database)) }
          : { decided: [], failure: why };
      }
      return wholePart(database, order, dropped === undefined ? all : [dropped], from, attemptNow(), async () => {
        if (dropped === undefined) return decidePart(database, { ...order, streams: all }, from);
        // When nothing is left of it, it is no stream any more.
        return left.includes(dropped) ? dropPart(database, { ...order, stream: dropped }, from) : { decided: [] };
      });
    };
    const { found: parts, unread } = await each(
      { outbox: name, to, after },
      async ({ outbox, database }, streams): Promise<DecidedPart & { readonly name: string }> => ({
        name: outbox.name,
        ...(await part(database, streams, after?.[outbox.name])),
      }),
    );
    const next: Record<string, LettersCursor> = {};
    for (const { name, cursor } of parts) if (cursor !== undefined) next[name] = cursor;
    return {
      decided: parts
        .flatMap(({ name: outbox, decided }) => decided.map((letter) => ({ outbox, ...letter })))
        .slice(0, list),
      count: parts.reduce((sum, { decided, count = decided.length }) => sum + count, 0),
      unread: [
        ...unread,
        ...parts.flatMap(({ name: outbox, failure }) => (failure === undefined ? [] : [{ outbox, message: failure }])),
      ],
      ...(Object.keys(next).length > 0 && { next }),
    };
  };

  return {
    'backstitch.showMessages': async ({ outbox: name, to, ...filter }) => {
      const { found, unread } = await each({ outbox: name, to }, async ({ outbox, database }, { all, left }) => {
        const streams = await within(READ_MS, standingOf(database, all));
        const { letters, total } = await within(READ_MS, listLetters(database, { ...filter, streams: all }, SHOWN));
        return {
          streams: streams.map((stream): ShownStream => ({
            outbox: outbox.name,
            ...stream,
            ...(left.includes(stream.stream) && { isLeft: true }),
          })),
          letters: letters.map((letter): ShownLetter => ({ outbox: outbox.name, ...letter })),
          total,
        };
      });
      return {
        streams: found.flatMap(({ streams }) => streams),
        letters: found
          .flatMap(({ letters }) => letters)
          .toSorted((one, other) => one.failedAt - other.failedAt)
          .slice(0, SHOWN),
        total: found.reduce((sum, { total }) => sum + total, 0),
        unread,
      };
    },
    'backstitch.decideLetters': decide,
    // A workflow of an older release may take the first answer for all: something is decided by it.
    'backstitch.decideMessages': async (order) => {
      const begun = await decide(order);
      if (order.after !== undefined || begun.next === undefined) return begun;
      const first = await decide({ ...order, after: begun.next });
      return { ...first, unread: [...begun.unread, ...first.unread] };
    },
  };
}

/** All streams that are meant, and those of them that nobody delivers any more. */
interface Streams {
  readonly all: readonly string[];
  readonly left: readonly string[];
}

/** The streams of an outbox, or those to one subscriber. */
async function streamsOf({ outbox, database }: RelayedOutbox, to: string | undefined): Promise<Streams> {
  const isMeant = (subscriber: string) => to === undefined || subscriber === to;
  const own = outbox.streams.filter(({ subscriber }) => isMeant(subscriber)).map(({ name }) => name);
  const left = (await leftStreams(database, outbox)).filter((stream) => isMeant(partsOf(stream).subscriber));
  return { all: [...own, ...left], left };
}

/** Which attempt of the activity this is; where there is none, the first. */
function attemptNow(): number {
  return asyncLocalStorage.getStore()?.info.attempt ?? 1;
}

/** Why all that waits in a stream is not dropped; undefined: it is. */
function whyNotDropped(action: LettersPartOrder['action'], stream: string, left: readonly string[]) {
  if (action !== 'discard') return 'what nobody delivers any more can only be discarded';
  return left.includes(stream) ? undefined : `'${stream}' is no stream that is left over: see messages list`;
}

function unreadOnly(outbox: string | undefined, message: string) {
  return { found: [], unread: [{ outbox: outbox ?? '', message }] };
}

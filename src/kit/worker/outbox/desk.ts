import { messageOf } from '../../database/message.js';
import { listLetters } from '../../database/outbox/letters.js';
import { standingOf } from '../../database/outbox/standing.js';
import { within } from '../../database/within.js';
import type { LettersPartOrder, MessagesActivities, ShownLetter, ShownStream } from '../../workflow/outbox.js';
import { READ_MS } from '../limited.js';
import type { RelayedOutbox } from './activities.js';
import { decidePart } from './decide.js';

/** As many as are shown. */
const SHOWN = 50;

/** Which outboxes, and which of their streams. */
interface Meant {
  readonly outbox?: string;
  readonly to?: string;
}

/** The activities behind `showMessages` and `decideMessages`: what persons see of messages and decide about those that fail. */
export function messagesActivities(outboxes: readonly RelayedOutbox[]): MessagesActivities {
  /** Asks each outbox that is meant; one whose database is silent holds up no other. */
  const each = async <T>(
    { outbox: name, to }: Meant,
    ask: (outbox: RelayedOutbox, streams: readonly string[]) => Promise<T>,
  ) => {
    const named = outboxes.filter(({ outbox }) => name === undefined || outbox.name === name);
    const meant = named
      .map((each) => ({ each, streams: streamsOf(each.outbox, to) }))
      .filter(({ streams }) => streams.length > 0);
    if (meant.length === 0) {
      const known = outboxes.map(({ outbox }) => outbox.name).join(', ');
      const message =
        named.length === 0
          ? `there is no such outbox: the worker has ${known}`
          : `there is no subscriber '${to ?? ''}': see messages list`;
      return { found: [], unread: [{ outbox: name ?? '', message }] };
    }
    const asked = await Promise.allSettled(meant.map(({ each, streams }) => ask(each, streams)));
    return {
      found: asked.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : [])),
      unread: asked.flatMap((answer, place) =>
        answer.status === 'rejected'
          ? [{ outbox: meant[place]?.each.outbox.name ?? '', message: messageOf(answer.reason) }]
          : [],
      ),
    };
  };

  return {
    'backstitch.showMessages': async ({ outbox: name, to, ...filter }) => {
      const { found, unread } = await each({ outbox: name, to }, async ({ outbox, database }, names) => {
        const streams = await within(READ_MS, standingOf(database, names));
        const { letters, total } = await within(READ_MS, listLetters(database, { ...filter, streams: names }, SHOWN));
        return {
          streams: streams.map((stream): ShownStream => ({ outbox: outbox.name, ...stream })),
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
    'backstitch.decideMessages': async ({ outbox: name, to, after, list = 1_000, ...order }) => {
      const { found, unread } = await each({ outbox: name, to }, async ({ outbox, database }, streams) => {
        const from = after?.[outbox.name];
        if (after !== undefined && from === undefined) return undefined;
        return { name: outbox.name, ...(await decidePart(database, { ...order, streams }, from)) };
      });
      const parts = found.filter((part) => part !== undefined);
      const next: Record<string, NonNullable<LettersPartOrder['after']>[string]> = {};
      for (const { name, cursor } of parts) if (cursor !== undefined) next[name] = cursor;
      return {
        decided: parts
          .flatMap(({ name: outbox, decided }) => decided.map((letter) => ({ outbox, ...letter })))
          .slice(0, list),
        count: parts.reduce((sum, { decided }) => sum + decided.length, 0),
        unread: [
          ...unread,
          ...parts.flatMap(({ name: outbox, failure }) => (failure === undefined ? [] : [{ outbox, message: failure }])),
        ],
        ...(Object.keys(next).length > 0 && { next }),
      };
    },
  };
}

/** The streams of an outbox, or those to one subscriber. */
function streamsOf({ streams }: RelayedOutbox['outbox'], to?: string): string[] {
  return streams.filter(({ subscriber }) => to === undefined || subscriber === to).map(({ name }) => name);
}

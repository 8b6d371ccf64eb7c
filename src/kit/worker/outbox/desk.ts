import { messageOf } from '../../database/message.js';
import { decideLetter, listDead } from '../../database/outbox/letters.js';
import { standingOf } from '../../database/outbox/standing.js';
import { within } from '../../database/within.js';
import type { LettersDecided, MessagesActivities, ShownLetter, ShownStream } from '../../workflow/outbox.js';
import { READ_MS } from '../limited.js';
import type { RelayedOutbox } from './activities.js';

/** Dead letters that one order decides at most. */
const MOST = 1_000;

/** The activities behind `showMessages` and `decideMessages`: what persons see of messages and decide about dead letters. */
export function messagesActivities(outboxes: readonly RelayedOutbox[]): MessagesActivities {
  /** Asks each outbox that is meant; one whose database is silent holds up no other. */
  const each = async <T>(name: string | undefined, ask: (outbox: RelayedOutbox) => Promise<T>) => {
    const meant = outboxes.filter(({ outbox }) => name === undefined || outbox.name === name);
    if (meant.length === 0) {
      const known = outboxes.map(({ outbox }) => outbox.name).join(', ');
      return {
        found: [],
        unread: [{ outbox: name ?? '', message: `there is no such outbox: the worker has ${known}` }],
      };
    }
    const asked = await Promise.allSettled(meant.map((outbox) => ask(outbox)));
    return {
      found: asked.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : [])),
      unread: asked.flatMap((answer, place) =>
        answer.status === 'rejected'
          ? [{ outbox: meant[place]?.outbox.name ?? '', message: messageOf(answer.reason) }]
          : [],
      ),
    };
  };

  return {
    'backstitch.showMessages': async ({ outbox: name, ...filter }) => {
      const { found, unread } = await each(name, async ({ outbox, database }) => {
        const streams = await within(READ_MS, standingOf(database, streamsOf(outbox)));
        const { letters, total } = await within(READ_MS, listDead(database, { ...filter, streams: streamsOf(outbox) }));
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
          .toSorted((one, other) => one.deadAt - other.deadAt)
          .slice(0, 50),
        total: found.reduce((sum, { total }) => sum + total, 0),
        unread,
      };
    },
    'backstitch.decideMessages': async ({ outbox: name, action, actor, reason, ...filter }) => {
      const { found, unread } = await each(name, async ({ outbox, database }) => {
        const { letters } = await within(
          READ_MS,
          listDead(database, { ...filter, most: MOST, streams: streamsOf(outbox) }),
        );
        const decided: LettersDecided['decided'][number][] = [];
        for (const { stream, seq, id } of letters) {
          const order = { action, stream, seq, actor, reason };
          if (await within(READ_MS, decideLetter(database, order)))
            decided.push({ outbox: outbox.name, stream, seq, id });
        }
        return decided;
      });
      return { decided: found.flat(), unread };
    },
  };
}

function streamsOf({ streams }: RelayedOutbox['outbox']): string[] {
  return streams.map(({ name }) => name);
}

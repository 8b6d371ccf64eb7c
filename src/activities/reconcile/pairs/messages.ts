import type { Database, Guard, Outbox, Pair } from '../../../kit/database/index.js';
import { SINCE } from '../orders.js';

/** What one outbox tells one subscriber, and where that one notes what it has handled. */
export interface MessageLink {
  readonly outbox: Outbox;
  readonly from: Database;
  readonly guard: Guard;
  readonly subscriber: string;
  /** The subscriber's database, and the consumer of its inbox. */
  readonly to: Database;
  readonly consumer: string;
}

const DAY_MS = 86_400_000;
/** What was handled before this was kept may be delivered after it. */
const MARGIN_MS = 3_600_000;

interface Message {
  readonly id: string;
  readonly topic: string;
  readonly key: string | null;
  readonly payload: unknown;
}

const DELIVERED = `
select id, topic, key, payload from backstitch.outbox_delivered where starts_with(stream, $1) and id = any ($2)`;
const KNOWN = ['outbox', 'outbox_parked', 'outbox_delivered']
  .map((table) => `select id from backstitch.${table} where starts_with(stream, $1) and id = any ($2)`)
  .join(' union all ');
const HANDLED = `
select message_id as id, outcome from backstitch.inbox where consumer = $1 and source = $2 and message_id = any ($3)`;

/**
 * What was delivered was handled, and what was handled was delivered. The keys are `<outbox>/<subscriber> <id>`.
 *
 * @param name of the pair, as each group of services has one
 */
export function messages(name: string, noun: string, links: readonly MessageLink[]): Pair {
  const keyOf = ({ outbox, subscriber }: MessageLink, id: string) => `${outbox.name}/${subscriber} ${id}`;
  const linkOf = (key: string) => {
    const [stream, id] = splitOnce(key);
    return { link: links.find((link) => keyOf(link, '') === `${stream} `), id };
  };
  const outboxes = [...new Map(links.map(({ outbox, from }) => [from, outbox]))];
  const inboxes = [...new Set(links.map(({ to }) => to))].map((database) => {
    return { database, own: links.filter(({ to }) => to === database) };
  });
  const keepDays = Math.min(...links.map(({ outbox }) => outbox.keepDays));
  return {
    name,
    what: `${noun} that were delivered were handled, and the other way round, as far back as delivered ones are kept`,
    by: 'buckets',
    classes: {
      [`${name}-without-effect`]: {
        what: 'a message counts as delivered, and its subscriber has not handled it',
        repair: {
          what: 'sends it again, under its own id',
          sends: true,
          run: ({ key, data }, operation) => {
            const { link, id } = linkOf(key);
            const message = data as Message | undefined;
            if (link === undefined || message === undefined) throw new Error(`the message ${id} is not kept any more`);
            const { topic, key: order, payload } = message;
            return link.guard.apply(operation, { id, topic }, (sql) =>
              link.outbox.addAll(sql, [{ id, topic, payload, ...(order !== null && { key: order }) }]),
            );
          },
        },
      },
      [`${name}-without-message`]: {
        what: 'a subscriber has handled a message that was neither delivered to it nor is on its way',
      },
    },
    sides: [
      {
        parts: outboxes.map(([database, outbox]) => ({
          database,
          rows: `select split_part(stream, '/', 1) || '/' || split_part(stream, '/', 2) || ' ' || id as key, topic as value
          from backstitch.outbox_delivered where (${streamsOf(links, outbox)}) and delivered_at >= ${SINCE}`,
        })),
      },
      {
        parts: inboxes.map(({ database, own }) => ({
          database,
          rows: `select source || '/' || subscriber || ' ' || message_id as key, topic as value from backstitch.inbox
          join (values ${own.map((link) => `('${link.outbox.name}', '${link.consumer}', '${link.subscriber}')`).join(', ')})
            as link (source_name, consumer_name, subscriber) on source = source_name and consumer = consumer_name
          where outcome = 'applied' and handled_at >= ${SINCE}`,
        })),
      },
    ],
    // Nobody knows what a duplicate is by, once it was delivered: so it is not compared.
    notBefore: () => Promise.resolve(Date.now() - keepDays * DAY_MS + MARGIN_MS),
    gidsOf: (key) => [linkOf(key).id.split('/')[0] ?? ''],
    async judge(keys) {
      const found = await Promise.all(
        links.map(async (link) => {
          const { outbox, subscriber, from, to, consumer } = link;
          const ids = keys.flatMap((key) => (key.startsWith(keyOf(link, '')) ? [linkOf(key).id] : []));
          if (ids.length === 0) return [];
          const stream = `${outbox.name}/${subscriber}/`;
          // In this sequence: what was delivered had been handled, and what is handled was added before.
          const delivered = await from.run<Message>(DELIVERED, [stream, ids]);
          const handled = await to.run<{ id: string; outcome: string }>(HANDLED, [consumer, outbox.name, ids]);
          const known = new Set((await from.run<{ id: string }>(KNOWN, [stream, ids])).map(({ id }) => id));
          return ids.flatMap((id) => {
            const was = handled.find((row) => row.id === id);
            const message = delivered.find((row) => row.id === id);
            const key = keyOf(link, id);
            if (message !== undefined && was === undefined) {
              const detail = `'${message.topic}' was delivered, and '${consumer}' has not handled it`;
              return [{ class: `${name}-without-effect`, key, detail, data: message }];
            }
            if (known.has(id) || was?.outcome !== 'applied') return [];
            const detail = `'${consumer}' has handled it, and '${outbox.name}' has neither delivered it nor is about to`;
            return [{ class: `${name}-without-message`, key, detail }];
          });
        }),
      );
      return found.flat();
    },
  };
}

/** What an outbox tells whoever is looked at here: what it tells others besides is no side of this. */
function streamsOf(links: readonly MessageLink[], outbox: Outbox): string {
  const own = links.filter((link) => link.outbox.name === outbox.name);
  return own.map(({ subscriber }) => `starts_with(stream, '${outbox.name}/${subscriber}/')`).join(' or ');
}

/** A stream's name has no space. */
function splitOnce(key: string): readonly [string, string] {
  const place = key.indexOf(' ');
  return [key.slice(0, place), key.slice(place + 1)];
}

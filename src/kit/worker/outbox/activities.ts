import { activityInfo, Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { messageOf } from '../../database/message.js';
import { keepDelivered } from '../../database/outbox/archive.js';
import { leftStreams } from '../../database/outbox/left.js';
import type { Outbox } from '../../database/outbox/outbox.js';
import { streamStore } from '../../database/outbox/stream.js';
import type { Database } from '../../database/sql.js';
import type { Sink } from '../../messages/sink.js';
import { RAISE_ALARM, type Alarm } from '../../workflow/alarms.js';
import {
  RELAY_ACTIVITY,
  ROUND_MS,
  type MessagesActivities,
  type RelayOrder,
  type RelayRound,
  type RelayRoundOrder,
} from '../../workflow/outbox.js';
import type { AlarmActivities } from '../alarms.js';
import { messagesActivities } from './desk.js';
import { Listeners } from './listener.js';
import { StreamRelay } from './relay.js';
import { defaultRelayRules, type RelayRules } from './rules.js';
import type { RelayTrouble } from './teller.js';
import { Wake } from './wake.js';

/** An outbox that this worker delivers. */
export interface RelayedOutbox {
  readonly outbox: Outbox;
  /** The database that it is in. */
  readonly database: Database;
  /** Where each subscriber's messages go. */
  readonly sinks: Readonly<Record<string, Sink>>;
  /** How they are delivered. Default: {@link defaultRelayRules} */
  readonly rules?: Partial<RelayRules>;
}

/** Options of {@link relayActivities}. */
export interface RelayActivitiesOptions {
  readonly outboxes: readonly RelayedOutbox[];
  /** Who it is, for whoever looks: usually the worker's identity. */
  readonly who: string;
  /** Raises alarms about dead letters. Default: none are raised */
  readonly alarms?: Pick<AlarmActivities, typeof RAISE_ALARM>;
}

/** The activities that deliver messages and what persons ask of them, and what stops them at once when the worker stops. */
export interface RelayActivities {
  readonly activities: MessagesActivities & {
    readonly [RELAY_ACTIVITY]: (order: RelayRoundOrder) => Promise<RelayRound>;
  };
  /** Ends all that runs: another worker, or this one when it is back, goes on. */
  readonly stop: () => void;
}

/** Between two signs of life, in milliseconds. */
const BEAT_MS = 2_000;
/** Between two looks at what is kept of what was delivered, in milliseconds. */
const KEEP_MS = 3_600_000;
const KEEP_AGAIN_MS = 300_000;

/**
 * Makes the activities that deliver the messages of outboxes: for a worker, with the workflow `deliverMessages`.
 *
 * @throws a RangeError for a subscriber without a sink
 */
export function relayActivities({ outboxes, who, alarms }: RelayActivitiesOptions): RelayActivities {
  const known = new Map(outboxes.map((each) => [each.outbox.name, each]));
  for (const { outbox, sinks } of outboxes) {
    for (const { subscriber } of outbox.streams) {
      if (sinks[subscriber] === undefined) {
        throw new RangeError(`the subscriber '${subscriber}' of the outbox '${outbox.name}' has no sink: give one`);
      }
    }
  }
  const listeners = new Listeners();
  const stopping = new AbortController();
  /** When each database's delivered messages are looked after next, in milliseconds since 1970. */
  const kept = new Map<Database, number>();

  /** Outboxes of one database share its tables: what one of them keeps no other drops. */
  const keepDaysOf = (database: Database) =>
    Math.max(...outboxes.filter((each) => each.database === database).map(({ outbox }) => outbox.keepDays));

  const lookAfter = async ({ database }: RelayedOutbox) => {
    if (Date.now() < (kept.get(database) ?? 0)) return;
    // One look at a time; one that fails is not repeated at once, as it waits for locks that deliveries wait for.
    kept.set(database, Date.now() + KEEP_AGAIN_MS);
    await keepDelivered(database, keepDaysOf(database));
    kept.set(database, Date.now() + KEEP_MS);
  };

  /** Outboxes that were looked at for streams that nobody delivers any more. */
  const looked = new Set<RelayedOutbox>();
  const leftOf = async (found: RelayedOutbox): Promise<readonly string[]> => {
    if (looked.has(found)) return [];
    looked.add(found);
    return leftStreams(found.database, found.outbox).catch((error: unknown) => {
      looked.delete(found);
      throw error;
    });
  };

  const deliver = async ({ unavailable, ...order }: RelayRoundOrder): Promise<RelayRound> => {
    const { found, stream, sink } = find(known, order);
    const context = Context.current();
    if (stopping.signal.aborted) {
      throw ApplicationFailure.create({
        message: 'this worker stops',
        type: 'WorkerStops',
        nextRetryDelay: '1 second',
      });
    }
    const keepDays = () => {
      lookAfter(found).catch((error: unknown) => {
        context.log.warn(`what was delivered of '${order.outbox}' could not be looked after: ${messageOf(error)}`);
      });
    };
    keepDays();
    leftOf(found).then(
      (left) => {
        if (left.length === 0) return;
        context.log.warn(
          `messages of '${order.outbox}' wait in streams that nobody delivers any more (${left.join(', ')}): see messages list`,
        );
      },
      (error: unknown) => {
        context.log.warn(`what is left over of '${order.outbox}' could not be read: ${messageOf(error)}`);
      },
    );
    const wake = new Wake();
    const leave = listeners.join(found.database, stream.name, wake);
    const relay = new StreamRelay({
      store: streamStore(found.database, found.outbox, stream, { isLinked: sink.isQueue }),
      sink,
      rules: { ...defaultRelayRules, ...found.rules },
      wake,
      owner: who,
      signal: AbortSignal.any([context.cancellationSignal, stopping.signal]),
      forMs: ROUND_MS,
      unavailable,
      onTrouble: async (trouble) => {
        const alarm = alarmOf(order, trouble);
        try {
          await alarms?.[RAISE_ALARM](alarm);
        } catch (error) {
          context.log.error(`alarm ${alarm.id} was not raised (${String(error)}), and will be again: ${alarm.message}`);
          throw error;
        }
        context.log.warn(alarm.message);
      },
    });
    const beat = setInterval(() => {
      context.heartbeat(relay.stats);
      keepDays();
    }, BEAT_MS);
    try {
      return await relay.run();
    } finally {
      clearInterval(beat);
      leave();
    }
  };
  return {
    activities: { ...messagesActivities(outboxes), [RELAY_ACTIVITY]: deliver },
    stop: () => {
      stopping.abort();
    },
  };
}

function find(known: ReadonlyMap<string, RelayedOutbox>, { outbox, stream: name }: RelayOrder) {
  const { taskQueue } = activityInfo();
  const found = known.get(outbox);
  const stream = found?.outbox.streams.find((each) => each.name === name);
  const sink = stream && found?.sinks[stream.subscriber];
  if (found === undefined || stream === undefined || sink === undefined) {
    throw new Error(
      `this worker of task queue '${taskQueue}' delivers no stream '${name}' of an outbox '${outbox}': another release may, or the workflow is left over and can be terminated`,
    );
  }
  return { found, stream, sink };
}

/** An alarm's id says what it is about: raised again it is the same. */
function alarmOf({ outbox, stream }: RelayOrder, { kind, error, since, at, message }: RelayTrouble): Alarm {
  const sinceWhen = `since ${new Date(since).toISOString()}`;
  if (message === undefined) {
    return {
      ...{ id: `messages-held/${stream}/${since}`, kind: 'messages-held', at },
      message: `nothing of ${stream} can be delivered ${sinceWhen}: ${error}`,
    };
  }
  const { id, seq, topic, key } = message;
  const what = `message ${id} (${topic}${key === undefined ? '' : `, key '${key}'`}) of ${stream}`;
  const isDead = kind === 'dead-letter';
  const name = isDead ? 'dead-letter' : 'message-late';
  return {
    ...{ id: `${name}/${stream}/${seq}/${at}`, kind: name, at },
    message: `${what} is ${isDead ? 'a dead letter' : `not delivered ${sinceWhen}, and is tried on`}: ${error}`,
    data: { outbox, stream, seq, id, topic, key },
  };
}

import type { Client } from '@temporalio/client';
import { isRelayRunning, startRelays } from '../../client/outbox.js';
import { messageOf } from '../../database/message.js';
import { standingOf } from '../../database/outbox/standing.js';
import type { Outbox } from '../../database/outbox/outbox.js';
import type { Database } from '../../database/sql.js';
import { within } from '../../database/within.js';
import type { UndeliveredMessages } from '../../workflow/scan.js';
import { ofServer, READ_MS } from '../limited.js';

/** An outbox whose messages the scan looks for. */
export interface WatchedOutbox {
  readonly outbox: Outbox;
  readonly database: Database;
}

/** What a scan is told of outboxes. */
export interface UndeliveredFound {
  readonly undelivered: readonly UndeliveredMessages[];
  readonly unread: readonly { readonly participant: string; readonly message: string }[];
}

/**
 * Looks for messages that wait for longer than they should. Where nobody delivers them any more, as the workflow that did was ended from
 * outside, it is started again; where somebody does, it is only told: its own alarms say why.
 *
 * A stream that nobody was ever asked to deliver is left alone: whoever has it may begin later.
 *
 * @param ageMs how long a message may wait, in milliseconds
 * @param beat called after each outbox; what it throws ends the look
 */
export async function lookAfterMessages(
  client: Client,
  outboxes: readonly WatchedOutbox[],
  { taskQueue, ageMs, beat }: { readonly taskQueue: string; readonly ageMs: number; readonly beat: () => void },
): Promise<UndeliveredFound> {
  const undelivered: UndeliveredMessages[] = [];
  const unread: { participant: string; message: string }[] = [];
  for (const { outbox, database } of outboxes) {
    const { name, streams } = outbox;
    try {
      const names = streams.map((stream) => stream.name);
      for (const { stream, waiting, aside, oldestMs, relay } of await within(READ_MS, standingOf(database, names))) {
        if (relay === undefined || oldestMs === undefined || oldestMs < ageMs) continue;
        const isDelivered = await ofServer(isRelayRunning(client, taskQueue, { outbox: name, stream }));
        if (!isDelivered) {
          await startRelays(client, { taskQueue, outboxes: [{ name, streams: [{ name: stream }] }] });
        }
        const since = Date.now() - oldestMs;
        undelivered.push({ outbox: name, stream, waiting: waiting + aside, since, startedAgain: !isDelivered });
      }
    } catch (error) {
      unread.push({ participant: `the outbox '${name}'`, message: messageOf(error) });
    }
    beat();
  }
  return { undelivered, unread };
}

import { Context } from '@temporalio/activity';
import { WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import { CancelledFailure, TerminatedFailure, TimeoutFailure } from '@temporalio/common';
import { longCall } from '../client/server.js';
import { TimeIsOver } from '../client/race.js';
import { FETCH_MISSED, type FetchMissed } from '../workflow/state-machine/carried.js';
import {
  AWAIT_SAGA,
  endOf,
  OTHER_WORKFLOW,
  SAGA_GONE,
  WATCH_MS,
  type AwaitSaga,
} from '../workflow/state-machine/saga-end.js';
import { readMissed } from './settle-machine.js';

/** The activities behind the workflows of state machines. */
export type MachineActivities = AwaitSaga & FetchMissed;

/** Between two heartbeats, in milliseconds. */
const BEAT_MS = 8_000;
/** How long it waits for the scan to start a saga again whose run was ended from outside, in milliseconds, before it looks again. */
const AGAIN_MS = 5_000;
/** A saga of which there is no run so often is none. */
const MISSES = 2;

/** Makes the activities behind the workflows of state machines; a worker of `machineWorkflow` needs them. */
export function machineActivities(): MachineActivities {
  return {
    [AWAIT_SAGA]: async (gid, workflow) => {
      const context = Context.current();
      const until = Date.now() + WATCH_MS;
      let missed = 0;
      while (Date.now() < until) {
        // Its newest run: the one before may have been ended from outside.
        const ended = longCall(context.client, () => context.client.workflow.getHandle(gid).result());
        try {
          const type = workflow && (await context.client.workflow.getHandle(gid).describe()).type;
          if (type !== workflow) return { how: 'ended', failure: { type: OTHER_WORKFLOW, message: other(gid, type) } };
          return { how: 'committed', result: await waitBeating(ended, until) };
        } catch (error) {
          if (error instanceof TimeIsOver) return null;
          if (error instanceof WorkflowNotFoundError) {
            // Looked at again: one that has just been started may not be seen yet.
            if (++missed === MISSES) return { how: 'ended', failure: { type: SAGA_GONE, message: gone(gid) } };
            await context.sleep(AGAIN_MS);
            continue;
          }
          if (!(error instanceof WorkflowFailedError) || error.cause === undefined) throw error;
          if (!isFromOutside(error.cause)) return { how: 'ended', ...endOf(error.cause) };
        } finally {
          ended.giveUp();
        }
        await context.sleep(AGAIN_MS);
        context.heartbeat();
      }
      return null;
    },
    [FETCH_MISSED]: (id, missed) => readMissed(Context.current().client, id, missed),
  };
}

const other = (gid: string, type = '') => `${gid} is a run of '${type}', and no saga of this machine`;
const gone = (gid: string) => `the server keeps no run of ${gid} any more`;

async function waitBeating(ended: ReturnType<typeof longCall<unknown>>, until: number): Promise<unknown> {
  const context = Context.current();
  for (;;) {
    context.heartbeat();
    context.cancellationSignal.throwIfAborted();
    try {
      return await ended.until(Math.min(until, Date.now() + BEAT_MS));
    } catch (error) {
      if (!(error instanceof TimeIsOver) || Date.now() >= until) throw error;
    }
  }
}

function isFromOutside(cause: Error): boolean {
  return cause instanceof TerminatedFailure || cause instanceof TimeoutFailure || cause instanceof CancelledFailure;
}

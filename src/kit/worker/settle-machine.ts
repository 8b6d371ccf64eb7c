import {
  type Client,
  isGrpcServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  type WorkflowExecutionDescription,
} from '@temporalio/client';
import { initialAttributes } from '../workflow/attributes.js';
import type { EffectOrder } from '../workflow/state-machine/protocol.js';
import type { Came, Carried, FETCH_MISSED, FetchMissed, Missed, Resumed } from '../workflow/state-machine/carried.js';
import { endedEffect, gidOf, HistoryGone, readEndedMachine, type EndedMachine } from './ended-machine.js';

/** So much of messages goes with a start, or with an answer, as JSON in characters: the server takes 2 MB at once. */
const MOST_STARTED = 500_000;
/** Ends of sagas, and refused messages, that are told from run to run. */
const MOST_ENDS = 100;
const MOST_REFUSED = 1_000;
/** gRPC's number for what is not there. */
const NOT_FOUND = 5;
/** The reason with which the scan ends a machine's run, to begin it anew. */
export const BEGUN_ANEW = 'its workflow task kept failing: it is begun anew from its row';

/**
 * Starts a state machine's workflow again whose newest run was ended from outside. Where its object is, the row tells, and its moves what
 * happened; the history of the ended run tells what neither knows: sagas and jobs that it had begun, messages that it had not seen to or had
 * refused, deadlines that were moved, alarms that were not handed over.
 *
 * @returns whether it was started; not, if another run was faster
 * @throws what keeps it from being started: nothing has changed then
 */
export async function settleMachine(client: Client, ended: WorkflowExecutionDescription): Promise<boolean> {
  const { workflowId, type, taskQueue, memo } = ended;
  const args = await takeOver(client, ended);
  try {
    await client.workflow.start(type, {
      ...{ workflowId, taskQueue, memo, args },
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowIdConflictPolicy: 'FAIL',
      staticSummary: await ended.staticSummary(),
      staticDetails: await ended.staticDetails(),
      typedSearchAttributes: initialAttributes('machine'),
    });
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
  return true;
}

/** Reads some of the messages that came to a run which was ended from outside, and that it may not have seen to. */
export async function readMissed(
  client: Client,
  id: string,
  { runId, from }: Missed,
): ReturnType<FetchMissed[typeof FETCH_MISSED]> {
  try {
    const messages = messagesOf(await readEndedMachine(client, { workflowId: id, runId })).slice(from);
    // One that is larger by itself goes alone: it has come as one, too.
    const count = Math.max(countThatFit(messages), 1);
    const next = { runId, from: from + count };
    return { messages: messages.slice(0, count), ...(count < messages.length && { next }) };
  } catch (error) {
    const isGone = isGrpcServiceError(error) && (error.code as number) === NOT_FOUND;
    if (isGone || error instanceof HistoryGone) return null;
    throw error;
  }
}

/** What had come to a run by itself, or with the run before, and that it may not have seen to. */
function messagesOf({ args, wasIdle, messages }: EndedMachine): readonly Came[] {
  const [, given] = args as [unknown, Carried | null | undefined];
  return wasIdle ? messages : [...(given?.messages ?? []), ...messages];
}

async function takeOver(client: Client, ended: WorkflowExecutionDescription): Promise<[unknown, Carried]> {
  const run = await readEndedMachine(client, ended);
  const [start, given] = run.args as [unknown, Carried | null | undefined];
  // A run that had taken over from one that was ended, and was ended itself: what that one knew it may not have seen to.
  const { effects = [], ends = [], messages = [], refused = [], moved = [], more = [] } = given?.resumed ?? {};
  const left = run.wasIdle ? [] : effects.filter((effect) => !run.watched.has(gidOf(effect)));
  const watched = effects.flatMap((effect) => {
    const end = run.watched.get(gidOf(effect));
    return end === undefined ? [] : [endedEffect(effect, end)];
  });
  const own = messagesOf(run);
  // What fitted before fits again; behind what did not, nothing goes first.
  const [before, missed] = run.wasIdle ? [[], []] : [messages, more];
  const from = missed.length > 0 ? 0 : Math.max(countThatFit([...before, ...own]) - before.length, 0);
  const waiting = [...missed, ...(from < own.length ? [{ runId: ended.runId, from }] : [])];
  const resumed: Resumed = {
    effects: [...left, ...run.effects, ...(await startedOf(client, run.asked))],
    ends: [...ends, ...watched, ...run.ends].slice(-MOST_ENDS),
    messages: [...before, ...own.slice(0, from)],
    ...(waiting.length > 0 && { more: waiting }),
    refused: [...new Set([...refused, ...run.refused])].slice(-MOST_REFUSED),
    moved: [...moved, ...run.moved],
  };
  // It may not have come to go on with what it was given: that begins when it knows where the row is.
  const jobs = [...(given?.jobs ?? []).filter(({ key }) => !run.begun.has(key)), ...run.jobs];
  const alarms = run.hasBegun ? run.alarms : (given?.alarms ?? []);
  const isAnew = run.reason.startsWith(BEGUN_ANEW) ? (true as const) : undefined;
  const carried = { runs: 0, ...given, messages: undefined, jobs, alarms, resumed, isAnew };
  return [start ?? undefined, carried];
}

/** Those that the server has started after all: it does so though the run that had asked for them is over. */
async function startedOf(client: Client, asked: readonly EffectOrder[]): Promise<EffectOrder[]> {
  const started: EffectOrder[] = [];
  for (const effect of asked) {
    try {
      await client.workflow.getHandle(gidOf(effect)).describe();
      started.push(effect);
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  }
  return started;
}

/** How many messages, from the first one, go with a start. */
function countThatFit(messages: readonly Came[]): number {
  let size = 0;
  const place = messages.findIndex((message) => (size += JSON.stringify(message).length) > MOST_STARTED);
  return place < 0 ? messages.length : place;
}

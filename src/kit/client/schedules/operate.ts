import { setTimeout as delay } from 'node:timers/promises';
import { type Client, ScheduleNotFoundError, ScheduleOverlapPolicy, WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { TimeIsOver } from '../race.js';
import { ask, explained, waitUntil } from '../server.js';
import { scheduleId } from './definition.js';
import { pausedNote, pausedOf, type Paused } from './paused.js';
import { describeSchedule, runOf, type ScheduleRun } from './read.js';

/** There is no such schedule on the server. */
export class ScheduleNotFound extends Error {
  constructor(id: string) {
    super(`there is no schedule ${id}: schedules list shows those that are there, schedules apply makes them`);
    this.name = 'ScheduleNotFound';
  }
}

/** Which schedule. */
export interface WhichSchedule {
  readonly taskQueue: string;
  readonly name: string;
}

/** What became of a run that somebody has asked for. */
export interface AskedRun extends ScheduleRun {
  /** It ran already: only one does at a time. */
  readonly isOther: boolean;
  /** What it resolved to, if it was waited for. */
  readonly result?: unknown;
  /** What it has told of what it could do, if it failed. */
  readonly details?: unknown;
}

/** How long the server may take to begin a run that is asked for, and how often that is looked at; milliseconds. */
const BEGIN_MS = 15_000;
const LOOK_MS = 200;

/**
 * Runs a schedule now, though it is paused. Where it runs already nothing is begun: the answer is about that run.
 *
 * @param waitMs how long to wait for its end, in milliseconds. Default: it is not waited for
 * @throws ScheduleNotFound; Error when the server has not begun it within 15 s; ServerUnavailable, ServerNotPrepared
 */
export async function runSchedule(
  client: Client,
  { taskQueue, name }: WhichSchedule,
  { waitMs = 0 }: { readonly waitMs?: number } = {},
): Promise<AskedRun> {
  const id = scheduleId(taskQueue, name);
  const { isOther, workflowId, at } = await begin(client, id);
  if (waitMs === 0) return { ...(await runOf(client, workflowId, at)), isOther };
  const handle = client.workflow.getHandle(workflowId);
  try {
    const result: unknown = await waitUntil(client, Date.now() + waitMs, () => handle.result());
    return { workflowId, at, isOther, outcome: 'completed', result };
  } catch (error) {
    if (!(error instanceof TimeIsOver) && !(error instanceof WorkflowFailedError)) throw explained(client, error);
    const cause = error instanceof WorkflowFailedError ? error.cause : undefined;
    const details: unknown = cause instanceof ApplicationFailure ? cause.details?.[0] : undefined;
    return { ...(await runOf(client, workflowId, at)), isOther, ...(details !== undefined && { details }) };
  }
}

async function begin(client: Client, id: string): Promise<Pick<AskedRun, 'isOther' | 'workflowId' | 'at'>> {
  const before = await described(client, id);
  const [running] = before.info.runningActions;
  if (running !== undefined) {
    const { workflowId } = running.workflow;
    const action = before.info.recentActions.find((each) => each.action.workflow.workflowId === workflowId);
    return { isOther: true, workflowId, at: action?.takenAt.getTime() ?? Date.now() };
  }
  const known = new Set(before.info.recentActions.map(({ action }) => action.workflow.workflowId));
  await ask(client, () => client.schedule.getHandle(id).trigger(ScheduleOverlapPolicy.SKIP));
  const until = Date.now() + BEGIN_MS;
  for (;;) {
    const { info } = await described(client, id);
    const begun = info.recentActions.findLast(({ action }) => !known.has(action.workflow.workflowId));
    if (begun !== undefined) {
      return { isOther: false, workflowId: begun.action.workflow.workflowId, at: begun.takenAt.getTime() };
    }
    if (Date.now() > until) throw new Error(`the server has not begun ${id} within ${BEGIN_MS / 1_000} s: ask again`);
    await delay(LOOK_MS);
  }
}

async function described(client: Client, id: string) {
  const description = await describeSchedule(client, id);
  if (description === undefined) throw new ScheduleNotFound(id);
  return description;
}

/** Who does something to a schedule, and why. */
export type ScheduleOrder = Required<Pick<Paused, 'actor' | 'reason'>>;

/**
 * Pauses a schedule: it begins nothing by itself until it is resumed; what runs runs on.
 *
 * @returns who has paused it: somebody else, if that was before; then nothing is changed
 * @throws ScheduleNotFound, ServerUnavailable, ServerNotPrepared
 */
export async function pauseSchedule(client: Client, which: WhichSchedule, order: ScheduleOrder): Promise<Paused> {
  const id = scheduleId(which.taskQueue, which.name);
  const { state } = await described(client, id);
  if (state.paused) return pausedOf(state.note);
  const paused = { ...order, at: Date.now() };
  await acting(
    id,
    ask(client, () => client.schedule.getHandle(id).pause(pausedNote(paused))),
  );
  return paused;
}

/**
 * Lets a schedule that is paused run again. What it has missed meanwhile is not made up for.
 *
 * @param note for the Web UI, what it does
 * @returns false: it was not paused
 * @throws ScheduleNotFound, ServerUnavailable, ServerNotPrepared
 */
export async function resumeSchedule(
  client: Client,
  which: WhichSchedule,
  { actor, reason }: ScheduleOrder,
  note: string,
): Promise<boolean> {
  const id = scheduleId(which.taskQueue, which.name);
  const { state } = await described(client, id);
  if (!state.paused) return false;
  const resumed = `${note} (resumed by ${actor} at ${new Date().toISOString()}: ${reason})`;
  await acting(
    id,
    ask(client, () => client.schedule.getHandle(id).unpause(resumed)),
  );
  return true;
}

async function acting(id: string, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) throw new ScheduleNotFound(id);
    throw error;
  }
}

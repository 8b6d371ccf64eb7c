import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Context } from '@temporalio/activity';
import {
  WorkflowFailedError,
  WorkflowUpdateFailedError,
  type WorkflowStartOptions,
  type WorkflowHandleWithFirstExecutionRunId,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker, type WorkerOptions } from '@temporalio/worker';
import { participantActivities } from '../../../../src/kit/worker/index.js';
import {
  DECIDE_UPDATE,
  searchAttributeTypes,
  TRANSACTION_QUERY,
  type Alarm,
  type DeskNote,
  type DeskOrder,
  type SagaCall,
  type TransactionReport,
  type TransactionView,
} from '../../../../src/kit/workflow/index.js';
import { bundleOf } from '../../../support/bundles.js';
import { timeSkippingEnvironment } from '../../../support/servers.js';
import type * as workflows from '../workflows/index.js';
import { LetterBox, type Script } from './letters.js';

/** Sagas of scripted participants under a server whose time skips. */

/** As the server's API numbers the types of search attributes. */
const TYPES = { Keyword: 2, Datetime: 6, KeywordList: 7 } as const;

export type Workflows = typeof workflows;
type Handle = WorkflowHandleWithFirstExecutionRunId;

/** How a transaction ended. */
export interface Ended {
  readonly gid: string;
  readonly result?: unknown;
  /** Absent when it was committed. */
  readonly failure?: ApplicationFailure;
  readonly report?: TransactionReport;
  /** What was asked, such as `a`, `b`, `undo a`: every attempt. */
  readonly made: readonly string[];
}

export class SagaWorld {
  readonly environment: TestWorkflowEnvironment;
  readonly letters = new LetterBox();
  /** What was raised, by gid. */
  readonly alarms: Alarm[] = [];
  readonly taskQueue = `sagas-${randomUUID()}`;
  readonly #bundle: { code: string };
  readonly #stops: (() => Promise<void>)[] = [];

  private constructor(environment: TestWorkflowEnvironment, bundle: { code: string }) {
    this.environment = environment;
    this.#bundle = bundle;
  }

  static async open(): Promise<SagaWorld> {
    const workflowsPath = fileURLToPath(new URL('../workflows/index.ts', import.meta.url));
    const [environment, bundle] = await Promise.all([timeSkippingEnvironment(), bundleOf(workflowsPath)]);
    await environment.connection.operatorService.addSearchAttributes({
      namespace: 'default',
      searchAttributes: Object.fromEntries(
        Object.entries(searchAttributeTypes).map(([name, type]) => [name, TYPES[type]]),
      ),
    });
    const world = new SagaWorld(environment, bundle);
    await world.startWorker();
    return world;
  }

  /** Starts a worker, on a queue of its own if one is given, with more activities. @returns what stops it */
  async startWorker(
    taskQueue = this.taskQueue,
    extra: Record<string, (...args: never[]) => unknown> = {},
    options: Pick<WorkerOptions, 'enableNonLocalActivities' | 'workflowBundle'> = {},
  ): Promise<() => Promise<void>> {
    const worker = await Worker.create({
      connection: this.environment.nativeConnection,
      taskQueue,
      workflowBundle: this.#bundle,
      activities: {
        ...participantActivities({ letters: this.letters.implementation(), ...this.letters.sides() }, { who: 'test' }),
        // A worker that is lost: nothing is heard of it.
        'silent.a.action': () => Context.current().cancelled,
        'silent.a.compensation': () => 'did it',
        'backstitch.raiseAlarm': (alarm: Alarm) => {
          this.alarms.push(alarm);
        },
        ...extra,
      },
      ...options,
      shutdownGraceTime: 0,
      // As short as the tests' own timeouts ask.
      maxHeartbeatThrottleInterval: 100,
      defaultHeartbeatThrottleInterval: 100,
    });
    const running = worker.run();
    const stop = () => {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      return running;
    };
    this.#stops.push(stop);
    return stop;
  }

  async close(): Promise<void> {
    await Promise.all(this.#stops.map((stop) => stop()));
    await this.environment.teardown();
  }

  start(
    name: keyof Workflows,
    script: Script = {},
    options: SagaCall = {},
    where: Partial<Pick<WorkflowStartOptions, 'taskQueue' | 'workflowTaskTimeout' | 'typedSearchAttributes'>> = {},
  ): Promise<Handle> {
    const gid = `${name}-${randomUUID()}`;
    this.letters.scripts.set(gid, script);
    return this.environment.client.workflow.start(name, {
      taskQueue: this.taskQueue,
      ...where,
      workflowId: gid,
      args: [undefined, options],
    });
  }

  /** When the run was ended that another one settles: however far this server's time leaps meanwhile, no window has passed since. */
  async endedAt(): Promise<number> {
    return (await this.environment.currentTimeMs()) + 100 * 365 * 24 * 3_600_000;
  }

  /** Waits for the end, and lets the time skip. */
  async end(handle: Handle): Promise<Ended> {
    const gid = handle.workflowId;
    const made = () => this.letters.of(gid).map(({ name }) => name);
    try {
      const result: unknown = await handle.result();
      return { gid, result, made: made() };
    } catch (error) {
      assert.ok(error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure, String(error));
      const failure = error.cause;
      return { gid, failure, report: failure.details?.[0] as TransactionReport, made: made() };
    }
  }

  view(handle: Handle): Promise<TransactionView> {
    return handle.query<TransactionView>(TRANSACTION_QUERY);
  }

  /** Lets the time skip until so many branches wait for a person. */
  async stuck(handle: Handle, cases = 1): Promise<TransactionView> {
    for (;;) {
      const view = await this.view(handle);
      if (view.desk.length >= cases) return view;
      await this.environment.sleep('1 minute');
    }
  }

  decide(handle: Handle, order: Pick<DeskOrder, 'branch' | 'action'> & Partial<DeskOrder>): Promise<DeskNote> {
    return handle.executeUpdate<DeskNote, [DeskOrder]>(DECIDE_UPDATE, {
      args: [{ actor: 'ann', reason: 'a test', ...order }],
    });
  }

  /** Waits for the end, and has a person leave as it is what waits for one. */
  async leave(handle: Handle, branches: readonly string[]): Promise<Ended> {
    await this.stuck(handle, branches.length);
    for (const branch of branches) await this.decide(handle, { branch, action: 'skip' });
    return this.end(handle);
  }

  async run(name: keyof Workflows, script: Script = {}, options: SagaCall = {}): Promise<Ended> {
    return this.end(await this.start(name, script, options));
  }

  async events(gid: string) {
    const { events } = await this.environment.client.workflow.getHandle(gid).fetchHistory();
    return events ?? [];
  }

  /** The activities that were scheduled, by name: local ones are none. */
  async scheduled(gid: string): Promise<string[]> {
    const events = await this.events(gid);
    return events.flatMap((event) => event.activityTaskScheduledEventAttributes?.activityType?.name ?? []);
  }
}

/** The message with which an update is refused. */
export async function refusal(update: Promise<unknown>): Promise<string> {
  try {
    await update;
  } catch (error) {
    assert.ok(error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure, String(error));
    return error.cause.message;
  }
  throw new Error('it was not refused');
}

/** Waits until the cancellation has come to the workflow: its next task is done. */
export async function processed(handle: Handle): Promise<void> {
  for (;;) {
    const { events = [] } = await handle.fetchHistory();
    const at = events?.findIndex((event) => event.workflowExecutionCancelRequestedEventAttributes) ?? -1;
    if (at >= 0 && events?.slice(at).some((event) => event.workflowTaskCompletedEventAttributes)) return;
    await sleep(20);
  }
}

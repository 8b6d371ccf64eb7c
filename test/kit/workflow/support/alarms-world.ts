import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { WorkflowHandle } from '@temporalio/client';
import type { Duration } from '@temporalio/common';
import { msToNumber } from '@temporalio/common/lib/time.js';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { isOutOfTime } from '../../../../src/kit/client/server.js';
import { alarmActivities, webhookSink, type AlarmActivitiesOptions } from '../../../../src/kit/worker/index.js';
import type { Alarm, AlarmRules, AlarmSummary, AlarmsView } from '../../../../src/kit/workflow/index.js';
import { bundleOf } from '../../../support/bundles.js';
import { timeSkippingEnvironment } from '../../../support/servers.js';
import { Receiver, type Received } from '../../worker/support/receiver.js';

/** Alarms of transactions, a worker that delivers them, and a receiver, under a server whose time skips. */

/** How far time skips at once, in milliseconds, or in how many parts if that is further. */
const PASS_MS = 10 * 60_000;
const PASSES = 12;
/** How long it may take until nothing is on its way, in milliseconds. */
const REST_MS = 5_000;
/** How long a delivery waits for its receiver, in milliseconds: longer than a slow machine needs. */
const TIMEOUT_MS = 4_000;

const secret = `whsec_${randomBytes(32).toString('base64')}`;

export function alarm(id: string, more: Partial<Alarm> = {}): Alarm {
  return { id, kind: 'stuck', gid: `order-${id}`, branch: 'pay', at: 0, message: `${id} is stuck`, ...more };
}

/** Servers and workflow code, for all tests. */
export class AlarmsEnvironment {
  readonly temporal: TestWorkflowEnvironment;
  readonly #bundle: { code: string };
  readonly #opened: AlarmsWorld[] = [];

  private constructor(temporal: TestWorkflowEnvironment, bundle: { code: string }) {
    this.temporal = temporal;
    this.#bundle = bundle;
  }

  static async open(): Promise<AlarmsEnvironment> {
    const workflowsPath = fileURLToPath(new URL('../workflows/alarms.ts', import.meta.url));
    const [temporal, bundle] = await Promise.all([timeSkippingEnvironment(), bundleOf(workflowsPath)]);
    return new AlarmsEnvironment(temporal, bundle);
  }

  /**
   * A system of its own: a task queue, a worker, a receiver.
   *
   * @param timeoutMs how long a delivery waits for the receiver, in milliseconds: short where the receiver hangs
   */
  async world(rules: AlarmRules = {}, { timeoutMs = TIMEOUT_MS } = {}): Promise<AlarmsWorld> {
    const receiver = await Receiver.open();
    const sink = webhookSink({ url: receiver.url, secret, timeoutMs });
    const world = new AlarmsWorld(this.temporal, this.#bundle, receiver, { sink, rules });
    this.#opened.push(world);
    await world.startWorker();
    return world;
  }

  /** Ends the systems that were opened: what they wait for would slow down every skip of time. */
  async closeWorlds(): Promise<void> {
    for (const world of this.#opened.splice(0)) await world.close();
  }

  async close(): Promise<void> {
    await this.closeWorlds();
    await this.temporal.teardown();
  }
}

export class AlarmsWorld {
  readonly temporal: TestWorkflowEnvironment;
  readonly receiver: Receiver;
  readonly taskQueue = `system-${randomUUID()}`;
  readonly #bundle: { code: string };
  readonly #options: AlarmActivitiesOptions;
  #stop: (() => Promise<void>) | undefined;

  constructor(
    temporal: TestWorkflowEnvironment,
    bundle: { code: string },
    receiver: Receiver,
    options: AlarmActivitiesOptions,
  ) {
    this.temporal = temporal;
    this.receiver = receiver;
    this.#bundle = bundle;
    this.#options = options;
  }

  /** @param activities false: for workflows alone, so that activities wait */
  async startWorker({ activities = true } = {}): Promise<void> {
    const worker = await Worker.create({
      connection: this.temporal.nativeConnection,
      taskQueue: this.taskQueue,
      workflowBundle: this.#bundle,
      activities: activities ? { ...alarmActivities(this.#options) } : {},
      // Every task replays all that came before.
      maxCachedWorkflows: 0,
      shutdownGraceTime: 0,
    });
    const running = worker.run();
    this.#stop = () => {
      worker.shutdown();
      return running;
    };
  }

  async stopWorker(): Promise<void> {
    await this.#stop?.();
    this.#stop = undefined;
  }

  /**
   * Ends it when no delivery is on its way: of one that its workflow does not live to see this server knows no end but its timeout,
   * a minute later, and until then time skips for nobody.
   */
  async close(): Promise<void> {
    const limit = Date.now() + REST_MS;
    while (Date.now() < limit) {
      const { status, raw } = await this.handle.describe();
      if (status.name !== 'RUNNING' || raw.pendingActivities?.length === 0) break;
      await pause(20);
    }
    // What it still does is given up by itself, which the server hears.
    await this.stopWorker();
    await this.handle.terminate();
    await this.receiver.close();
  }

  get handle() {
    return this.temporal.client.workflow.getHandle(`${this.taskQueue}-alarms`);
  }

  /** Raises alarms as a transaction does. */
  async raise(...alarms: readonly Alarm[]): Promise<void> {
    await raised(await this.#start('raising', alarms));
  }

  /**
   * Has a transaction raise an alarm, and waits until it has asked a worker so many times to hand it over.
   *
   * @returns what waits until it has been handed over
   */
  async raiseAgain(alarm: Alarm, times: number): Promise<() => Promise<void>> {
    const raising = await this.#start('raisingAgain', alarm);
    await until(
      () => `asked ${times} times`,
      async () => {
        const { events } = await raising.fetchHistory();
        return (events ?? []).filter((event) => event.activityTaskScheduledEventAttributes).length >= times;
      },
    );
    return () => raised(raising);
  }

  // Not `execute`: time would skip while it is waited for, and with it the pauses between attempts.
  #start(workflow: string, ...args: unknown[]) {
    const { taskQueue } = this;
    return this.temporal.client.workflow.start(workflow, { taskQueue, workflowId: randomUUID(), args });
  }

  async view(): Promise<AlarmsView> {
    for (let attempt = 1; ; attempt++) {
      const limit = Date.now() + 3_000;
      try {
        const ask = () => this.handle.query<AlarmsView>('alarms');
        return await this.temporal.client.withDeadline(limit, ask);
      } catch (error) {
        // This server forgets a query of a run that ends just now.
        if (!isOutOfTime(error, limit) || attempt === 5) throw error;
      }
    }
  }

  /** Waits until the workflow says so, and has nothing to do at the moment; time does not skip. */
  async until(what: string, holds: (view: AlarmsView) => boolean): Promise<AlarmsView> {
    let view: AlarmsView | undefined;
    let asked: string | undefined;
    await until(
      () => `${what}: ${JSON.stringify(view)}`,
      async () => {
        // This server loses a workflow task that a query overtakes: nothing is asked while there is one.
        const { runId, historyLength, raw } = await this.handle.describe();
        const { events } = await this.handle.fetchHistory();
        const last = events?.at(-1);
        const state = `${runId} ${historyLength}`;
        if (last?.workflowTaskCompletedEventAttributes == null && last?.timerStartedEventAttributes == null)
          return false;
        if (raw.pendingActivities?.length !== 0 || state === asked) return false;
        asked = state;
        view = await this.view();
        return holds(view);
      },
    );
    assert.ok(view);
    return view;
  }

  /**
   * Lets time skip: by and by, as what happens meanwhile takes real time, and this server ends the connection of a call that
   * lasts for a minute and a half, and skips no more.
   */
  async pass(duration: Duration): Promise<void> {
    const ms = msToNumber(duration);
    const step = Math.max(PASS_MS, ms / PASSES);
    for (let left = ms; left > 0; left -= step) await this.temporal.sleep(Math.ceil(Math.min(left, step)));
  }

  /** Requests that the receiver trusts: all of them. */
  received(): readonly Received[] {
    const { received } = this.receiver;
    for (const { signedWith, headers } of received) {
      assert.ok(signedWith(secret), 'signed');
      const age = Math.abs(Date.now() / 1000 - Number(headers['webhook-timestamp']));
      assert.ok(age < 300, 'with the time of the attempt, whatever the time of the alarm');
    }
    return received;
  }

  /** The ids that arrived, without those of summaries. */
  ids(): string[] {
    return this.received()
      .filter(({ event }) => event.type !== 'backstitch.alarm.summary')
      .map(({ event }) => event.id);
  }

  /** What summaries told. */
  told(): AlarmSummary[] {
    return this.received()
      .filter(({ event }) => event.type === 'backstitch.alarm.summary')
      .map(({ event }) => event.data.details as AlarmSummary);
  }

  /** When each delivery was scheduled, by the server's clock, in seconds; of the latest run. */
  async scheduledAt(): Promise<number[]> {
    const { events } = await this.handle.fetchHistory();
    return (events ?? [])
      .filter((event) => event.activityTaskScheduledEventAttributes)
      .map(({ eventTime }) => Number(eventTime?.seconds) + (eventTime?.nanos ?? 0) / 1e9);
  }
}

/** Waits until a transaction has raised its alarms. */
function raised(raising: WorkflowHandle): Promise<void> {
  return until(
    () => 'raised',
    async () => (await raising.describe()).status.name === 'COMPLETED',
  );
}

/** Waits for something that the servers have to say. */
async function until(what: () => string, holds: () => Promise<boolean>): Promise<void> {
  const limit = Date.now() + 40_000;
  while (!(await holds())) {
    assert.ok(Date.now() < limit, `never: ${what()}`);
    await pause(20);
  }
}

import assert from 'node:assert/strict';
import type { Alarm, AlarmRules, AlarmSummary, NotDelivered } from '../../../../src/kit/workflow/alarms.js';
import { AlarmQueue, type AlarmsState, type Waiting } from '../../../../src/kit/workflow/alarms-queue.js';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

export type Answer = 'ok' | 'fail' | 'refuse';

/** A queue, a clock, and a receiver that answers as it is told. */
export class Delivery {
  queue = new AlarmQueue();
  now = 1_000_000;
  attempts = 0;
  readonly under: Waiting[] = [];
  readonly delivered: { alarm: Alarm; at: number }[] = [];
  readonly refused: Alarm[] = [];
  readonly givenUp: Alarm[] = [];
  readonly rules: AlarmRules;

  constructor(rules: AlarmRules = {}) {
    this.rules = rules;
  }

  raise(id: string, kind = 'stuck'): void {
    this.queue.accept(alarm(id, kind, this.now), this.rules, this.now);
    this.pump();
  }

  pump(): void {
    this.queue.pass(this.now);
    for (let next = this.queue.take(this.now); next !== undefined; next = this.queue.take(this.now)) {
      this.attempts++;
      this.under.push(next);
    }
  }

  /** Answers the oldest delivery that is under way. */
  answer(how: Answer, retryAfterMs?: number): Alarm | undefined {
    const next = this.under.shift();
    if (next === undefined) return undefined;
    if (how === 'fail') {
      if (this.queue.failed(next.alarm, this.now, retryAfterMs)) this.givenUp.push(next.alarm);
    } else if (how === 'refuse') {
      this.queue.refused(next.alarm, this.now);
      this.refused.push(next.alarm);
    } else {
      this.queue.delivered(next.alarm, this.now);
      this.delivered.push({ alarm: next.alarm, at: this.now });
    }
    this.pump();
    return next.alarm;
  }

  /** Lets time pass and answers everything by `how`, waking the queue when it wants to be. */
  run(until: number, how: (alarm: Alarm) => Answer): void {
    for (;;) {
      while (this.under[0] !== undefined) this.answer(how(this.under[0].alarm));
      const wake = this.queue.wakeAt();
      if (wake === undefined || wake > until) break;
      assert.ok(wake > this.now, 'it never asks to be woken in the past');
      this.now = wake;
      this.pump();
    }
    this.now = Math.max(this.now, until);
    this.pump();
  }

  /** Goes on as the workflow does in its next run. */
  carryOver(): void {
    this.queue = new AlarmQueue(JSON.parse(JSON.stringify(this.queue.state())) as AlarmsState);
  }

  ids(): string[] {
    return this.delivered.filter(({ alarm }) => alarm.kind !== 'summary').map(({ alarm }) => alarm.id);
  }

  summaries(reason?: NotDelivered): AlarmSummary[] {
    return told(this.delivered.map(({ alarm }) => alarm)).filter(
      (each) => reason === undefined || each.reason === reason,
    );
  }
}

export function told(alarms: readonly Alarm[]): AlarmSummary[] {
  return alarms.filter(({ kind }) => kind === 'summary').map(({ data }) => data as AlarmSummary);
}

export function alarm(id: string, kind = 'stuck', at = 0): Alarm {
  return { id, kind, gid: `gid-${id}`, at, message: `${id} needs you` };
}

export const sum = (summaries: readonly AlarmSummary[]) => summaries.reduce((all, { count }) => all + count, 0);

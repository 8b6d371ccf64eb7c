import type { Duration } from '@temporalio/common';
import { msToNumber } from '@temporalio/common/lib/time.js';
import type { SagaOptions, StepOptions } from './definition.js';

/**
 * Options are looked at before anything happens: one that makes no sense must not be found when the undo has to begin.
 */

/** Says what is wrong with a saga's options, or with those of a call. */
export function wrongSagaOption(options: SagaOptions): string | undefined {
  const { deadline, lane, undo, retries, compensationWindow, forwardWindow } = options;
  return (
    wrongDuration('deadline', deadline) ??
    wrongDuration('compensationWindow', compensationWindow) ??
    wrongDuration('forwardWindow', forwardWindow) ??
    wrongRetries(retries) ??
    wrongChoice('lane', lane, ['durable', 'lean']) ??
    wrongChoice('undo', undo, ['newest-first', 'strict', 'parallel'])
  );
}

/** Says what is wrong with a step's options. */
export function wrongStepOption({ timeout, retries, onRejected }: StepOptions): string | undefined {
  return (
    wrongDuration('timeout', timeout) ??
    wrongRetries(retries) ??
    wrongChoice('onRejected', onRejected, ['desk', 'throw'])
  );
}

export function wrongDuration(name: string, duration: Duration | undefined): string | undefined {
  if (duration === undefined) return undefined;
  let ms = Number.NaN;
  try {
    ms = msToNumber(duration);
  } catch {
    // Told below.
  }
  return ms > 0 ? undefined : wrong(name, duration, "milliseconds above 0, or a text such as '30 minutes'");
}

function wrongRetries(retries: number | undefined): string | undefined {
  if (retries === undefined || (Number.isSafeInteger(retries) && retries >= 0)) return undefined;
  return wrong('retries', retries, 'a whole number from 0');
}

function wrongChoice(name: string, value: string | undefined, choices: readonly string[]): string | undefined {
  return value === undefined || choices.includes(value) ? undefined : wrong(name, value, choices.join(' or '));
}

function wrong(name: string, value: unknown, expected: string): string {
  return `option ${name} is ${JSON.stringify(value)}: give ${expected}`;
}

import { ApplicationFailure } from '@temporalio/common';
import { DefaultLogger, type LogLevel } from '@temporalio/worker';
import { transactionFailure } from '../workflow/failure.js';

/**
 * A logger for `Runtime.install({ logger })`. A transaction that was undone is business as usual, told in one line and
 * without a stack; everything else is logged as the SDK does.
 *
 * @param level the lowest that is logged. Default: `INFO`
 */
export function transactionLogger(level: LogLevel = 'INFO'): DefaultLogger {
  const all = new DefaultLogger(level);
  return new DefaultLogger(level, ({ level: severity, message, meta }) => {
    const error: unknown = meta?.error;
    if (error instanceof ApplicationFailure && error.type === transactionFailure.compensated) {
      all.log('INFO', `${String(meta?.workflowId)} was undone: ${error.message}`);
    } else all.log(severity, message, meta);
  });
}

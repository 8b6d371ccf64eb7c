import { join } from 'node:path';
import { Output } from '../../src/client/output.js';
import type { BusinessName } from './business/index.js';
import { chaosMessages, describeMessages, faultsFor, messagesStates, type MessagesReport } from './messages/run.js';
import { chaosCommand, minutesFor } from './options.js';
import { describeRun, verdictLine, type RunReport } from './report.js';
import { chaosRun } from './run.js';
import { removeState } from './stage.js';

/** `npm run chaos`: see docs/chaos.md. Progress goes to stderr, the report to stdout. */

const DEFAULT_ORDERS = 500;

async function main(): Promise<boolean> {
  const options = chaosCommand().parse().opts();
  const { transfers, everything, orders = DEFAULT_ORDERS, messages, runs, concurrency, lane, json = false } = options;
  const asked: { business: BusinessName; transactions: number } =
    transfers !== undefined
      ? { business: 'transfers', transactions: transfers }
      : everything !== undefined
        ? { business: 'everything', transactions: everything }
        : { business: 'orders', transactions: orders };
  const minutes = options.minutes ?? (messages === undefined ? minutesFor(asked.transactions) : 30);
  const first = options.seed ?? Math.floor(Math.random() * 1_000_000);
  const output = new Output(json);
  const reports: (RunReport | MessagesReport)[] = [];
  for (let seed = first; seed < first + runs; seed++) {
    const state = join(process.env.BACKSTITCH_STATE ?? '.backstitch', 'chaos', `seed-${seed}`);
    output.note(`seed ${seed}: run ${reports.length + 1} of ${runs}`);
    const onProgress = (line: string) => {
      output.note(`seed ${seed}: ${line}`);
    };
    let report: RunReport | MessagesReport;
    let described: string;
    if (messages === undefined) {
      report = await chaosRun({ seed, ...asked, lane, concurrency, minutes, state, onProgress });
      described = describeRun(report);
      if (report.passed) await removeState(state);
    } else {
      const faults = faultsFor(messages);
      report = await chaosMessages({ seed, messages, keys: 200, faults, minutes, state, onProgress });
      described = describeMessages(report);
      if (report.passed) for (const part of messagesStates(state)) await removeState(part);
    }
    reports.push(report);
    if (!json) output.result(report, () => `${described}\n`);
  }
  const passed = reports.filter((report) => report.passed);
  if (json) output.result({ passed: passed.length === runs, runs: reports }, () => '');
  else if (runs > 1)
    output.result({}, () =>
      [
        ...reports.map((report) => ('business' in report ? verdictLine(report) : describeMessages(report))),
        `${passed.length} of ${runs} passed`,
      ].join('\n'),
    );
  return passed.length === runs;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => process.exit(130)); // At exit servers and workers are ended.
}

main().then(
  (passed) => process.exit(passed ? 0 : 1),
  (error: unknown) => {
    process.stderr.write(`chaos: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  },
);

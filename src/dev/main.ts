import { boot } from './boot.js';
import { developmentCommand, serverOptions } from './options.js';
import type { Servers } from './servers.js';
import { abortOnSignal, unlessAborted } from '../signals.js';

/** `npm run dev`: the servers and a worker, until Ctrl-C. */
const command = developmentCommand('npm run dev --', 'the servers and a worker of the shop, until Ctrl-C').parse();
const onProgress = (line: string) => {
  console.error(line);
};
const abort = abortOnSignal((signal) => {
  onProgress(`${signal}: stopping`);
});

async function main(): Promise<number> {
  const { servers, died, stop } = await boot({ ...serverOptions(command.opts()), onProgress, abort });
  console.log(describe(servers));
  // A signal is how it is meant to end.
  const death = await unlessAborted(died, abort).catch(() => undefined);
  if (death !== undefined) onProgress(death.message);
  await stop();
  return death === undefined ? 0 : 1;
}

/** What runs, and what to set in another terminal to use it. */
function describe({ temporal, postgres, state }: Servers): string {
  const settings = {
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace === 'default' ? undefined : temporal.namespace,
    TEMPORAL_UI_ADDRESS: temporal.ui,
    BACKSTITCH_TASK_QUEUE: temporal.taskQueue === 'backstitch' ? undefined : temporal.taskQueue,
    DATABASE_URL: postgres,
  };
  return [
    `Temporal     ${temporal.address}, namespace ${temporal.namespace}, task queue ${temporal.taskQueue}`,
    ...(temporal.ui === undefined ? [] : [`Web UI       ${temporal.ui}`]),
    `PostgreSQL   ${postgres === undefined ? 'as the DATABASE_URL_<SERVICE> name it' : `${new URL(postgres).host}, a database a service`}`,
    `State        ${state}`,
    '',
    'In another terminal, for the command line or another worker:',
    ...Object.entries(settings).flatMap(([name, value]) =>
      value === undefined ? [] : [`  export ${name}='${value}'`],
    ),
    '  npm run client -- schedules apply',
    '  npm run client -- shop open --file examples/orders.csv',
    '  npm run client -- order place --file examples/orders.csv',
    '',
    'Serving; Ctrl-C stops.',
  ].join('\n');
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    if (abort.aborted) process.exit(130); // It said so.
    onProgress(error instanceof Error ? error.message : String(error));
    process.exit(1);
  },
);

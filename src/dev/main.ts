import { boot } from './boot.js';
import { developmentCommand, serverOptions } from './options.js';
import { untilSignal } from './servers.js';
import { firstLine } from './temporal-program.js';

/** `npm run dev`: the servers and a worker, until Ctrl-C. */
async function main(): Promise<number> {
  const command = developmentCommand('npm run dev --', 'the servers and a worker of the shop, until Ctrl-C').parse();
  const signal = untilSignal();
  const onProgress = (line: string) => {
    console.error(line);
  };
  const { temporal, servers, died, stop } = await boot({ ...serverOptions(command.opts()), onProgress });
  const url = new URL(servers.databaseUrl(''));
  console.log(`Temporal     ${temporal.address}, namespace ${temporal.namespace}, task queue ${temporal.taskQueue}`);
  if (temporal.ui) console.log(`Web UI       ${temporal.ui}`);
  console.log(`PostgreSQL   ${url.host}, a database a service`);
  console.log(`State        ${servers.state}\n`);
  console.log('In another terminal, for the command line or another worker:');
  console.log(`  export TEMPORAL_ADDRESS=${temporal.address} TEMPORAL_UI_ADDRESS=${temporal.ui ?? ''}`);
  console.log(`  export DATABASE_URL=${url.href}`);
  console.log('  npm run client -- shop open --file examples/orders.csv');
  console.log('  npm run client -- order place --file examples/orders.csv\n');
  console.log('Serving; Ctrl-C stops.');
  const end = await Promise.race([signal, died]);
  console.error(end instanceof Error ? end.message : `${end}: stopping`);
  await stop();
  return end instanceof Error ? 1 : 0;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(firstLine(error));
    process.exit(1);
  },
);

import { startServers, type ServerOptions } from '../../src/dev/servers.js';
import { abortOnSignal, unlessAborted } from '../../src/signals.js';
import { searchAttributeTypes } from '../../src/kit/workflow/index.js';

/** Starts the servers in the folder that is named, prints where they are, and stops them on a signal. */
const abort = abortOnSignal((signal) => {
  console.log(`${signal}: stopping`);
});
const [, , state = '', fresh] = process.argv;
const servers = await startServers({
  state,
  fresh: fresh === 'fresh',
  ports: JSON.parse(process.env.PORTS ?? '{}') as ServerOptions['ports'],
  databases: ['orders'],
  searchAttributes: searchAttributeTypes,
  abort,
  onProgress: (line) => {
    console.log(line);
  },
  onDeath: (report) => {
    console.log(`DEATH ${report.message}`);
  },
});
console.log(
  `READY ${JSON.stringify({ address: servers.temporal.address, ui: servers.temporal.ui, url: servers.databaseUrl('orders'), taskQueue: servers.temporal.taskQueue, state: servers.state })}`,
);
await unlessAborted(new Promise(() => undefined), abort).catch(() => undefined);
await servers.stop();
console.log('STOPPED');
process.exit(0);

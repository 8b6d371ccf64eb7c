import { startServers, untilSignal, type ServerOptions } from '../../src/dev/servers.js';
import { searchAttributeTypes } from '../../src/kit/workflow/index.js';

/** Starts the servers in the folder that is named, prints where they are, and stops them on a signal. */
const signal = untilSignal();
const [, , state = '', fresh] = process.argv;
const servers = await startServers({
  state,
  fresh: fresh === 'fresh',
  ports: JSON.parse(process.env.PORTS ?? '{}') as ServerOptions['ports'],
  databases: ['orders'],
  searchAttributes: searchAttributeTypes,
  onProgress: (line) => {
    console.log(line);
  },
  onDeath: (report) => {
    console.log(`DEATH ${report.message}`);
  },
});
console.log(
  `READY ${JSON.stringify({ address: servers.temporal.address, ui: servers.temporal.ui, url: servers.databaseUrl('orders'), state: servers.state })}`,
);
await signal;
await servers.stop();
console.log('STOPPED');
process.exit(0);

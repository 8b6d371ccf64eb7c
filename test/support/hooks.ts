import { Runtime } from '@temporalio/worker';
import { stopServers } from './servers.js';

/** Once for the whole run. */
export function mochaGlobalSetup(): void {
  // Tests start their own servers: none of those that whoever runs them has set for other work, in the environment or in
  // Temporal's file of profiles, and not those settings either.
  for (const name of Object.keys(process.env)) {
    if (/^(TEMPORAL_|DATABASE_URL|BACKSTITCH_(TASK_QUEUE|POOL_SIZE|FAULTS|STATE|ALARM_URL|ALARM_SECRET)$)/.test(name))
      Reflect.deleteProperty(process.env, name);
  }
  process.env.TEMPORAL_CONFIG_FILE = '/nonexistent/no-profiles.toml';
  // Workers in tests are expected to meet failures: what matters of them is asserted.
  Runtime.install({ telemetryOptions: { logging: { filter: 'off' } }, logger: silent, shutdownSignals: [] });
}

export async function mochaGlobalTeardown(): Promise<void> {
  await stopServers();
}

const nothing = () => undefined;
const silent = { log: nothing, trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };

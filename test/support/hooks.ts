import { Runtime } from '@temporalio/worker';
import { stopServers } from './servers.js';

/** Once for the whole run. */
export function mochaGlobalSetup(): void {
  // Workers in tests are expected to meet failures: what matters of them is asserted.
  Runtime.install({ telemetryOptions: { logging: { filter: 'off' } }, logger: silent, shutdownSignals: [] });
}

export async function mochaGlobalTeardown(): Promise<void> {
  await stopServers();
}

const nothing = () => undefined;
const silent = { log: nothing, trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };

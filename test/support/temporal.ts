import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import type { AlarmSink } from '../../src/kit/worker/index.js';
import type { Alarm } from '../../src/kit/workflow/index.js';
import { temporalAddress } from './servers.js';
import { connectTo } from './connection.js';

/** The tests' Temporal server, as a worker and as a client reach it. */
export interface TestTemporal {
  readonly native: NativeConnection;
  readonly client: Client;
  close(): Promise<void>;
}

export async function openTemporal(): Promise<TestTemporal> {
  const address = await temporalAddress();
  const native = await NativeConnection.connect({ address });
  const client = new Client({ connection: await connectTo(address) });
  return {
    native,
    client,
    async close() {
      await client.connection.close();
      await native.close();
    },
  };
}

/** Where alarms go that a test looks at. */
export function alarmsInto(alarms: Alarm[]): AlarmSink {
  return {
    name: 'the test',
    deliver: (alarm) => {
      alarms.push(alarm);
      return Promise.resolve();
    },
  };
}

import { Connection } from '@temporalio/client';
import { retries } from '../../src/kit/client/index.js';

/** A test that fails leaves calls behind, which may wait for their next try: they end with the connection, and do not fail the next test. */
export function connectTo(address: string): Promise<Connection> {
  return Connection.connect({ address, interceptors: retries });
}

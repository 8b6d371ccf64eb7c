import { Connection } from '@temporalio/client';
import { retries } from '../../../src/kit/client/index.js';
import { Proxy } from '../../chaos/proxy.js';

/** A way to a bank's Temporal server that can be cut. */
export interface Link {
  readonly proxy: Proxy;
  readonly connection: Connection;
}

/** Opens one to each of these banks. @param address of the server */
export async function openLinks(address: string, banks: readonly string[]): Promise<ReadonlyMap<string, Link>> {
  const links = new Map<string, Link>();
  for (const bank of banks) {
    const proxy = await Proxy.start(Number(address.split(':').at(-1)));
    const connection = await Connection.connect({
      address: `127.0.0.1:${proxy.port}`,
      interceptors: retries,
      channelArgs: { 'grpc.max_reconnect_backoff_ms': 500 },
    });
    links.set(bank, { proxy, connection });
  }
  return links;
}

import { randomInt } from 'node:crypto';
import { freePort } from '../../src/dev/ports.js';
import { services, type ServicePorts } from './config.js';

/** The server keeps the ports of the gossip in its tables, as signed numbers of two bytes. */
const GREATEST_MEMBERSHIP_PORT = 32_767;
/** Below it are the ports that other programs expect their servers on. */
const LEAST_MEMBERSHIP_PORT = 10_000;

/**
 * Ports for all services, each different and free at this moment.
 *
 * @param frontend the port where clients come
 */
export async function servicePorts(frontend: number): Promise<Record<(typeof services)[number], ServicePorts>> {
  const taken = new Set([frontend]);
  const another = async (find: () => Promise<number | undefined>): Promise<number> => {
    for (;;) {
      const port = await find();
      if (port === undefined || taken.has(port)) continue;
      taken.add(port);
      return port;
    }
  };
  const found: Partial<Record<(typeof services)[number], ServicePorts>> = {};
  for (const service of services) {
    const grpc = service === 'frontend' ? frontend : await another(() => freePort());
    found[service] = { grpc, membership: await another(membershipPort) };
  }
  return found as Required<typeof found>;
}

/** Tries one of those that the server can keep; undefined if it is not free. */
async function membershipPort(): Promise<number | undefined> {
  const wanted = randomInt(LEAST_MEMBERSHIP_PORT, GREATEST_MEMBERSHIP_PORT + 1);
  return (await freePort(wanted)) === wanted ? wanted : undefined;
}

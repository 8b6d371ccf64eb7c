import { createClient } from '@redis/client';
import { nodeRedis, type Redis } from '../../../src/kit/redis/index.js';
import type { RedisServer } from '../../support/redis.js';
import { redisServer } from '../../support/servers.js';

/** A Redis server and a client of it. Each suite that makes one is skipped where there is no server to be had. */
export class RedisStage {
  #server: RedisServer | undefined;
  #close: () => void = () => undefined;
  #redis: Redis | undefined;

  constructor() {
    const open = async () => {
      this.#server = await redisServer();
      if (this.#server === undefined) return false;
      const client = createClient({
        url: this.#server.url,
        disableOfflineQueue: true,
        socket: { reconnectStrategy: 20 },
      });
      client.on('error', () => undefined); // What is being asked fails with it.
      await client.connect();
      this.#redis = nodeRedis(client);
      this.#close = () => {
        client.destroy();
      };
      return true;
    };
    before(async function () {
      this.timeout(300_000); // Nobody has unpacked it yet.
      // Its packages are Debian's: elsewhere there may be none, and the suite is shown as skipped.
      if (!(await open())) this.skip();
    });
    after(() => {
      this.#close();
    });
  }

  get server(): RedisServer {
    if (this.#server === undefined) throw new Error('there is no server yet');
    return this.#server;
  }

  get redis(): Redis {
    if (this.#redis === undefined) throw new Error('there is no client yet');
    return this.#redis;
  }

  send(...command: [string, ...string[]]): Promise<unknown> {
    return this.redis.send(command);
  }
}

/**
 * The one thing that the kit needs of a Redis client: run a command. So that users keep their client, as with SQL.
 */
export interface Redis {
  /**
   * Sends a command with its arguments, and resolves to what the server answered: texts, numbers, null, or lists of them.
   *
   * @throws the client's own error. A client that keeps commands while it has no connection has to be told not to: nobody waits for them
   */
  readonly send: (command: readonly [string, ...string[]]) => Promise<unknown>;
}

/** What is needed of a client of the package `redis` (or `@redis/client`). */
export interface NodeRedisClient {
  sendCommand(command: string[]): Promise<unknown>;
}

/**
 * A client of the package `redis` as the kit's {@link Redis}. Make it with `disableOfflineQueue: true`, or a lock waits for a server that
 * is away by commands that are run when it comes back; and give it a listener for `error`, or the first lost connection ends the process.
 *
 * Of `ioredis` it is `{ send: ([command, ...args]) => client.call(command, ...args) }`, with `enableOfflineQueue: false`.
 */
export function nodeRedis(client: NodeRedisClient): Redis {
  return { send: (command) => client.sendCommand([...command]) };
}

/** Runs a script: atomic, as the server runs nothing else meanwhile. Its keys come first. */
export function runScript(
  { send }: Redis,
  script: string,
  keys: readonly string[],
  args: readonly string[],
): Promise<unknown> {
  return send(['EVAL', script, String(keys.length), ...keys, ...args]);
}

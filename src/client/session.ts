import { Client, Connection, isGrpcServiceError } from '@temporalio/client';
import type { TemporalSettings } from '../config.js';
import { hasWorker, retries } from '../kit/client/index.js';
import { NotReady } from './exit.js';
import type { Output } from './output.js';

/** What a command works with. */
export interface Session {
  readonly client: Client;
  readonly settings: TemporalSettings;
  readonly output: Output;
}

const CONNECT_MS = 5_000;

/**
 * Connects to the Temporal server.
 *
 * @throws {@link NotReady} when none answers within 5 s
 */
export async function connect(settings: TemporalSettings): Promise<Client> {
  const { address, namespace } = settings;
  try {
    const connection = await Connection.connect({
      ...settings.connection,
      address,
      connectTimeout: CONNECT_MS,
      interceptors: retries,
    });
    return new Client({ connection, namespace });
  } catch (error) {
    throw new NotReady(
      `no Temporal server can be used at ${address} (${reasonOf(error)}): start it (from a checkout: npm run dev), or name another with TEMPORAL_ADDRESS or --address`,
      error,
    );
  }
}

/** What the server or the network said, without what is around it. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const text = isGrpcServiceError(cause) ? cause.details : cause instanceof Error ? cause.message : String(cause);
  return text.split('\n')[0] ?? text;
}

const WORKER_MS = 5_000;

/**
 * Waits up to 5 s for a worker to serve the task queue.
 *
 * @throws {@link NotReady} when none does
 */
export async function requireWorker({ client, settings }: Session): Promise<void> {
  const until = Date.now() + WORKER_MS;
  while (!(await hasWorker(client, settings.taskQueue))) {
    if (Date.now() > until) throw noWorker(settings);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** Before something begins under an id that was made for it: who hears no answer can ask again under the same id, and it is done once. */
export function noteId({ output }: Pick<Session, 'output'>, what: string, id: string): void {
  output.note(`this ${what} has the id ${id}: if no answer comes, ask again with --id ${id}`);
}

export function noWorker({ taskQueue, namespace, address }: TemporalSettings): NotReady {
  return new NotReady(
    `no worker serves task queue '${taskQueue}' of namespace '${namespace}' at ${address}: start one (from a checkout: npm run worker); nothing was done`,
  );
}

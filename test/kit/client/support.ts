import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { InvalidInput, transactionClient, type TransactionContract } from '../../../src/kit/client/index.js';
import { StoredRejection } from '../../../src/kit/database/rejection.js';
import { participantActivities } from '../../../src/kit/worker/index.js';
import type { Operation } from '../../../src/kit/workflow/index.js';
import { temporalAddress } from '../../support/servers.js';
import { connectTo } from '../../support/connection.js';

/** A transaction of scripted participants, on a real server. */

/** What is to happen is written in the input. */
export interface Trip {
  id: string;
  /** The car is refused. */
  noCar?: boolean;
  /** Operations that fail so many times before they succeed. */
  fail?: Record<string, number>;
}

export const tripContract: TransactionContract<Trip, Trip, { booked: string }> = {
  workflow: 'bookTrip',
  scheme: 'saga',
  gid: ({ id }) => `trip-${id}`,
  summary: ({ id }) => `trip ${id}`,
  details: ({ id }) => `| trip |\n| --- |\n| ${id} |`,
  parse(given) {
    if (given.id === '') throw new InvalidInput([{ field: 'id', value: given.id, rule: 'must not be empty' }]);
    return given;
  },
};

export type TripParticipants = ReturnType<typeof createParticipants>;

function createParticipants(script: Script) {
  const action = (answer: (trip: Trip) => object) => async (operation: Operation, trip: Trip) => {
    await script.perform(operation, trip);
    return answer(trip);
  };
  const compensation = (operation: Operation, trip: Trip) => script.perform(operation, trip);
  return {
    hotel: {
      book: {
        action: action(({ id }) => ({ room: `room of ${id}` })) as (
          o: Operation,
          trip: Trip,
        ) => Promise<{ room: string }>,
        compensation,
      },
      confirm: { action: action(() => ({})) },
    },
    car: {
      rent: {
        action: action((trip) => {
          if (trip.noCar === true) throw new StoredRejection('NoCar', 'all cars are taken');
          return {};
        }),
        compensation,
      },
    },
  };
}

/** What the participants did, and what they wait for. */
export class Script {
  readonly calls: string[] = [];
  readonly #held = new Map<string, { reached: () => void; go: Promise<void> }>();
  readonly #go = new Map<string, () => void>();

  /** Holds an operation of a trip. @returns a promise that resolves when it has been reached */
  hold(id: string, name: string): Promise<void> {
    const key = `${id} ${name}`;
    const go = new Promise<void>((resolve) => this.#go.set(key, resolve));
    return new Promise((reached) => this.#held.set(key, { reached, go }));
  }

  /** Lets a held operation go on. */
  release(id: string, name: string): void {
    this.#go.get(`${id} ${name}`)?.();
  }

  async perform({ function: name, attempt, signal }: Operation, trip: Trip): Promise<void> {
    this.calls.push(`${trip.id} ${name}`);
    const held = this.#held.get(`${trip.id} ${name}`);
    held?.reached();
    if (held) await Promise.race([held.go, once(signal, 'abort')]);
    signal.throwIfAborted();
    if (attempt <= (trip.fail?.[name] ?? 0)) throw new Error(`attempt ${attempt} of ${name} fails`);
  }
}

/** A worker, a client and a script; each test has trips of its own. */
export interface TripWorld {
  readonly client: Client;
  readonly taskQueue: string;
  readonly script: Script;
  readonly bookTrip: ReturnType<typeof tripClient>;
  /** Stops the worker. */
  stopWorker(): Promise<void>;
  close(): Promise<void>;
}

export function tripClient(client: Client, taskQueue: string) {
  return transactionClient(client, { taskQueue }).of(tripContract);
}

export async function openTripWorld(): Promise<TripWorld> {
  const address = await temporalAddress();
  const taskQueue = `trips-${randomUUID()}`;
  const script = new Script();
  const native = await NativeConnection.connect({ address });
  const worker = await Worker.create({
    connection: native,
    taskQueue,
    workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
    activities: participantActivities(createParticipants(script), { who: 'test' }),
    shutdownGraceTime: 0,
  });
  const running = worker.run();
  const connection = await connectTo(address);
  const client = new Client({ connection });
  const stopWorker = async () => {
    if (worker.getState() === 'RUNNING') worker.shutdown();
    await running;
  };
  return {
    client,
    taskQueue,
    script,
    bookTrip: tripClient(client, taskQueue),
    stopWorker,
    async close() {
      await stopWorker();
      await connection.close();
      await native.close();
    },
  };
}

import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, type WorkerOptions } from '@temporalio/worker';
import { Rejection, type Probe } from '../database/index.js';
import type { ParticipantImplementation } from '../worker/index.js';
import type { Operation } from '../workflow/branch.js';
import type { Point } from './faults.js';
import { MATRIX_VARIABLE, type Answer, type FromWorker, type MatrixWorker, type ToWorker } from './protocol.js';

/** What a worker takes part in a matrix by. In a process that no matrix has started all of it does nothing. */
export interface MatrixFaults {
  /** For each guard: `createGuard(database, { probe: faults.probe })`. */
  readonly probe: Probe;
  /** Around the participants: `participantActivities(faults.participants({ payments }), …)`. */
  participants<Participants extends Readonly<Record<string, ParticipantImplementation>>>(
    participants: Participants,
  ): Participants;
  /**
   * Around the worker's options: `Worker.create(await faults.workerOptions({ … }))`. The task queue is the matrix's; the
   * workflows are bundled once for all its workers.
   */
  workerOptions(options: WorkerOptions): Promise<WorkerOptions>;
}

/**
 * Lets a worker take part in a crash matrix, whose child process it is.
 *
 * @example
 * ```ts
 * const faults = matrixFaults();
 * const payments = createPayments(createGuard(database, { probe: faults.probe }));
 * const activities = participantActivities(faults.participants({ payments }), { who });
 * const worker = await Worker.create(await faults.workerOptions({ connection, taskQueue, workflowsPath, activities }));
 * ```
 */
export function matrixFaults(): MatrixFaults {
  const given = process.env[MATRIX_VARIABLE];
  if (given === undefined || process.send === undefined) return inert;
  const matrix = new Matrix();
  const settings = JSON.parse(given) as MatrixWorker;
  return {
    probe: async (point, operation) => {
      if (point === 'working' || point === 'worked') await matrix.pass(point, operation);
    },
    participants: (participants) => mapped(participants, (operation, perform) => matrix.attempt(operation, perform)),
    async workerOptions(options) {
      const codePath = await bundled(options, settings.bundle);
      await matrix.ready();
      return {
        ...options,
        workflowsPath: undefined,
        bundlerOptions: undefined,
        taskQueue: settings.taskQueue,
        workflowBundle: { codePath },
        // Nobody is to be called.
        activities: { 'backstitch.raiseAlarm': () => Promise.resolve(), ...options.activities },
        // What a killed worker had in its cache is another's soon.
        stickyQueueScheduleToStartTimeout: '1 second',
      };
    },
  };
}

const inert: MatrixFaults = {
  probe: () => Promise.resolve(),
  participants: (participants) => participants,
  workerOptions: (options) => Promise.resolve(options),
};

/** An error that a fault throws in place of a broken connection or a lost reply: it says nothing of the outcome. */
class InjectedFault extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InjectedFault';
  }
}

/** The matrix as its worker sees it. */
class Matrix {
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #serve: Promise<void>;
  #last = 0;

  constructor() {
    let serve: () => void = () => undefined;
    this.#serve = new Promise((resolve) => (serve = resolve));
    process.on('message', (message: ToWorker) => {
      if (message.type === 'serve') {
        serve();
        return;
      }
      this.#waiting.get(message.id)?.(message.answer);
      this.#waiting.delete(message.id);
    });
    // A worker does not outlive its matrix.
    process.once('disconnect', () => process.exit(1));
  }

  /** Says that this worker could serve, and waits until it shall: a spare waits for the end of another one. */
  async ready(): Promise<void> {
    send({ type: 'ready' });
    await this.#serve;
  }

  /** One attempt of a participant's function. */
  attempt(operation: Operation, perform: (operation: Operation) => Promise<unknown>): Promise<unknown> {
    const flight = ++this.#last;
    const state = { held: true };
    const work = async (): Promise<unknown> => {
      try {
        const answer = await this.pass('before', operation, flight);
        state.held = false;
        // What is on its way to a participant hears nothing of a caller that has given up.
        const { signal } = answer === 'late' ? new AbortController() : operation;
        const result = await perform({ ...operation, signal });
        state.held = true;
        await this.pass('after', operation, flight);
        return result;
      } finally {
        send({ type: 'left', flight });
      }
    };
    return untilGivenUp(work(), operation, state);
  }

  /** Lets the matrix decide what becomes of an operation at a point. @throws what the fault throws */
  async pass(point: Point, operation: Operation, flight?: number): Promise<Answer> {
    const { gid, branch, op, settle, attempt } = operation;
    const where = `${operation.function} of ${gid}, attempt ${attempt}`;
    const id = ++this.#last;
    const answer = await new Promise<Answer>((resolve) => {
      this.#waiting.set(id, resolve);
      send({ type: 'reached', id, reached: { point, gid, branch, op, settle, attempt, flight } });
    });
    switch (answer) {
      case 'fail':
        throw new InjectedFault(`a fault was set: ${where} fails (${point})`);
      case 'refuse':
        throw new Rejection('Refused', `a fault was set: ${where} is refused`);
      case 'hang':
        return new Promise(() => undefined);
      default:
        return answer;
    }
  }
}

/**
 * Settles as the work does, or rejects when its caller has given up: its time is over (and a little more, so that it is
 * the server that tells), or it is cancelled while the matrix holds it. The work goes on all the same.
 */
function untilGivenUp(
  work: Promise<unknown>,
  { timeoutMs, signal }: Operation,
  state: { readonly held: boolean },
): Promise<unknown> {
  work.catch(() => undefined);
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      reject(new InjectedFault('a fault was set: no answer came'));
    };
    const onAbort = () => {
      if (state.held) giveUp();
    };
    const timer = setTimeout(giveUp, timeoutMs + 100);
    signal.addEventListener('abort', onAbort);
    void work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    });
  });
}

function send(message: FromWorker): void {
  // A matrix that is gone ends this process by itself.
  process.send?.(message, () => undefined);
}

type Perform = (operation: Operation, ...args: unknown[]) => Promise<unknown>;

/** Wraps each function of each operation of each participant. */
function mapped<Participants extends Readonly<Record<string, ParticipantImplementation>>>(
  participants: Participants,
  around: (operation: Operation, perform: (operation: Operation) => Promise<unknown>) => Promise<unknown>,
): Participants {
  const each = <Value>(record: object, map: (value: Value) => unknown) =>
    Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value as Value)]));
  return each(participants, (operations: object) =>
    each(operations, (functions: object) =>
      each(
        functions,
        (perform: Perform) =>
          (operation: Operation, ...args: unknown[]) =>
            around(operation, (asked) => perform(asked, ...args)),
      ),
    ),
  ) as Participants;
}

const shorten = fileURLToPath(new URL(`./workflow/shorten${extname(import.meta.url)}`, import.meta.url));

/** The file with the bundle of the workflows, which the matrix's first worker makes. */
async function bundled(options: WorkerOptions, file: string): Promise<string> {
  if (existsSync(file)) return file;
  const { workflowsPath, bundlerOptions, interceptors, dataConverter } = options;
  if (workflowsPath === undefined) {
    throw new TypeError('a worker of a matrix needs workflowsPath: its workflows are bundled with shorter times');
  }
  const { code } = await bundleWorkflowCode({
    ...bundlerOptions,
    workflowsPath,
    workflowInterceptorModules: [...(interceptors?.workflowModules ?? []), shorten],
    payloadConverterPath: dataConverter?.payloadConverterPath,
    failureConverterPath: dataConverter?.failureConverterPath,
  });
  writeFileSync(`${file}.part`, code);
  renameSync(`${file}.part`, file);
  return file;
}

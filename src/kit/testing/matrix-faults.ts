import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ClientInterceptors, WorkflowStartInput } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { bundleWorkflowCode, type WorkerOptions } from '@temporalio/worker';
import type { Probe } from '../database/index.js';
import type { ParticipantImplementation } from '../worker/index.js';
import type { Operation } from '../workflow/branch.js';
import type { GroupOrder } from '../workflow/group.js';
import { serverOf, type MatrixCallers } from './callers.js';
import { MatrixLink } from './link.js';
import { MATRIX_VARIABLE, ofAgent, type MatrixWorker } from './protocol.js';
import { MATRIX_MEMO } from './workflow/shorten.js';

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
  /** For the client of {@link asks}: workflows that it starts run as the matrix's do. */
  readonly clientInterceptors: ClientInterceptors;
  /** For the lanes `direct` and `grouped`: lets the matrix ask for transactions in this process. */
  asks(callers: MatrixCallers): void;
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
  const matrix = new MatrixLink();
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
        // What its activities start runs as the matrix's workflows do: the agents of a three-phase commit.
        interceptors: { ...options.interceptors, client: interceptorsOf(matrix) },
        // What a killed worker had in its cache is another's soon.
        stickyQueueScheduleToStartTimeout: '1 second',
      };
    },
    clientInterceptors: interceptorsOf(matrix),
    asks(callers) {
      matrix.serve = serverOf(callers);
    },
  };
}

const inert: MatrixFaults = {
  probe: () => Promise.resolve(),
  participants: (participants) => participants,
  workerOptions: (options) => Promise.resolve(options),
  clientInterceptors: {},
  asks: () => undefined,
};

/** Has what a client starts run as the matrix's workflows do. */
function interceptorsOf(matrix: MatrixLink): ClientInterceptors {
  const ofMatrix = async (options: WorkflowStartInput['options']): Promise<WorkflowStartInput['options']> => {
    const terms = await matrix.terms(gidOf(options));
    if (terms === undefined) return options;
    const { taskQueue, memo } = terms;
    return {
      ...{ ...options, taskQueue, memo: { ...options.memo, [MATRIX_MEMO]: memo } },
      workflowTaskTimeout: msToTs(memo.taskMs),
    };
  };
  return {
    workflow: [
      {
        startWithDetails: async (input, next) => next({ ...input, options: await ofMatrix(input.options) }),
        startUpdateWithStart: async (input, next) =>
          next({ ...input, workflowStartOptions: await ofMatrix(input.workflowStartOptions) }),
      },
    ],
  };
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

/** The transaction that a workflow is started for; of a group any: all of them are started alike. */
function gidOf({ workflowId, args }: { readonly workflowId: string; readonly args: unknown[] }): string {
  const { group } = (args[1] ?? {}) as { readonly group?: GroupOrder };
  return group?.members[0]?.gid ?? ofAgent(workflowId);
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

import { setTimeout as delay } from 'node:timers/promises';
import { Connection, isGrpcServiceError, type ConnectionOptions } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { Child } from './child.js';
import { firstLine } from './temporal-program.js';

/** Types of search attributes, as Temporal names them, with their numbers in its API. */
const attributeTypes = { Text: 1, Keyword: 2, Int: 3, Double: 4, Bool: 5, Datetime: 6, KeywordList: 7 } as const;

/** gRPC's number for a request that makes no sense, such as a query by an attribute that is not known. */
const INVALID_ARGUMENT = 3;

export type SearchAttributes = Readonly<Record<string, keyof typeof attributeTypes>>;

/** How the development server is started. */
export interface TemporalServerOptions {
  readonly program: string;
  readonly port: number;
  readonly uiPort: number;
  readonly namespace: string;
  /** The file that holds its database; in memory if absent. */
  readonly databaseFile?: string;
  readonly logFile: string;
  readonly searchAttributes: SearchAttributes;
  readonly abort?: AbortSignal;
  readonly onStarted: (pid: number) => void;
  readonly onDeath?: (report: Error) => void;
}

/** Of the settings that a server reads while it runs (its dynamic configuration), those that are not left as they are. */
export const dynamicConfig = {
  'system.enableEagerWorkflowStart': true,
  'system.enableActivityEagerExecution': true,
  // On, every call would read the database.
  'system.forceSearchAttributesCacheRefreshOnRead': false,
  // One shard reads its queue 20 times a second by default: 50 ms a hop.
  'history.transferProcessorMaxPollRPS': 200,
} as const;

/** Starts Temporal's development server with its Web UI, and waits until the namespace can be used. */
export async function startTemporal(options: TemporalServerOptions): Promise<Child> {
  const { program, port, uiPort, namespace, databaseFile, searchAttributes } = options;
  const address = `127.0.0.1:${port}`;
  const args = [
    ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port)],
    ...['--ui-ip', '127.0.0.1', '--ui-port', String(uiPort), '--namespace', namespace, '--log-level', 'error'],
    ...Object.entries(dynamicConfig).flatMap(([key, value]) => [
      '--dynamic-config-value',
      `${key}=${JSON.stringify(value)}`,
    ]),
    ...(databaseFile === undefined
      ? []
      : [
          '--db-filename',
          databaseFile,
          '--sqlite-pragma',
          'journal_mode=WAL',
          '--sqlite-pragma',
          'synchronous=NORMAL',
        ]),
  ];
  return Child.start(
    {
      name: 'the Temporal server',
      command: program,
      args,
      logFile: options.logFile,
      signal: 'SIGINT',
      signalAtOnce: 'SIGKILL',
      readyMs: 60_000,
      abort: options.abort,
      onDeath: options.onDeath,
      ready: () =>
        prepareNamespace({ address }, namespace, searchAttributes, { connectMs: 2_000, retentionDays: RETENTION_DAYS }),
    },
    options.onStarted,
  );
}

/** How long ended transactions stay known, in days: as long as the databases, which keep what was done for good. */
const RETENTION_DAYS = 3_650;

/** How long a server may take until it knows the search attributes that it was given. */
const LEARN_MS = 30_000;

/**
 * Makes sure that a server answers, that the namespace is there, and that the search attributes can be used in it. What
 * is there already stays as it is.
 *
 * @throws one line that says what is missing and what to do
 */
export async function prepareNamespace(
  options: ConnectionOptions,
  namespace: string,
  searchAttributes: SearchAttributes,
  { connectMs = 5_000, retentionDays }: { connectMs?: number; retentionDays?: number } = {},
): Promise<void> {
  const where = options.address ?? '127.0.0.1:7233';
  let connection: Connection;
  try {
    connection = await Connection.connect({ ...options, connectTimeout: connectMs });
  } catch (error) {
    throw new Error(`no Temporal server answers at ${where}: ${firstLine(error)}`, { cause: error });
  }
  try {
    await connection.withDeadline(Date.now() + 10_000 + LEARN_MS, async () => {
      if (retentionDays !== undefined) {
        const workflowExecutionRetentionTtl = msToTs(retentionDays * 86_400_000);
        await connection.workflowService.updateNamespace({ namespace, config: { workflowExecutionRetentionTtl } });
      }
      const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
      const missing = Object.entries(searchAttributes).filter(([name]) => !(name in customAttributes));
      if (missing.length === 0) return;
      await connection.operatorService.addSearchAttributes({
        namespace,
        searchAttributes: Object.fromEntries(missing.map(([name, type]) => [name, attributeTypes[type]])),
      });
      // A server's parts learn of them one after another.
      const query = missing.map(([name]) => `${name} is null`).join(' and ');
      const until = Date.now() + LEARN_MS;
      for (;;) {
        try {
          await connection.workflowService.countWorkflowExecutions({ namespace, query });
          return;
        } catch (error) {
          const unknown = isGrpcServiceError(error) && (error.code as number) === INVALID_ARGUMENT;
          if (!unknown || Date.now() > until) throw error;
        }
        await delay(100);
      }
    });
  } catch (error) {
    const wanted = Object.entries(searchAttributes).map(([name, type]) => `${name}=${type}`);
    throw new Error(
      `namespace '${namespace}' at ${where} cannot be prepared (${firstLine(error)}): create it, and register its search attributes ${wanted.join(', ')}`,
      { cause: error },
    );
  } finally {
    await connection.close();
  }
}

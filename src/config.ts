import { loadClientConnectConfig } from '@temporalio/envconfig';
import { z } from 'zod';

/**
 * The environment as typed settings. Every variable that a program of this package reads is named here.
 *
 * | variable | meaning | default |
 * | --- | --- | --- |
 * | `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS…`, `TEMPORAL_PROFILE`, `TEMPORAL_CONFIG_FILE` | the Temporal server: Temporal's own standard variables | `127.0.0.1:7233`, `default` |
 * | `TEMPORAL_UI_ADDRESS` | where the Web UI is, for the links that are printed | none |
 * | `BACKSTITCH_TASK_QUEUE` | the task queue of workers and clients | `backstitch` |
 * | `DATABASE_URL` | a PostgreSQL server that holds one database a service, named like the service | none |
 * | `DATABASE_URL_ORDERS`, `…_PAYMENTS`, `…_INVENTORY`, `…_SHIPPING`, `…_NOTIFICATIONS` | a service's own database | from `DATABASE_URL` |
 * | `DATABASE_URL_OPERATIONS` | the operations database: the compensation log; optional | `operations` on `DATABASE_URL` |
 * | `BACKSTITCH_POOL_SIZE` | connections a service's pool holds at most | 20 |
 * | `BACKSTITCH_FAULTS` | faults to inject, for demos and tests, such as `payments.charge.action:refuse` | none |
 * | `BACKSTITCH_STATE` | the folder of the development servers | `.backstitch` |
 * | `BACKSTITCH_CACHE` | where programs that were obtained once are kept | the user's cache folder |
 */

/** A setting that cannot be used; the message is one line that says what to change. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ConfigError';
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

/** A variable that is empty is as if it were not set. */
function given(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
}

/** How to reach Temporal, and on which task queue. */
export interface TemporalSettings {
  readonly address: string;
  readonly namespace: string;
  /** TLS, API key and metadata, as `Connection.connect` and `NativeConnection.connect` take them. */
  readonly connection: ReturnType<typeof loadClientConnectConfig>['connectionOptions'];
  readonly taskQueue: string;
  /** The Web UI, such as `http://127.0.0.1:8233`. */
  readonly ui: string | undefined;
}

const taskQueueSchema = z.string().min(1).max(200);
const urlSchema = z.url({ protocol: /^https?$/ });
const databaseUrlSchema = z.url({ protocol: /^postgres(ql)?$/ });
const poolSizeSchema = z.coerce.number().int().min(1).max(500);

function check<T>(schema: z.ZodType<T>, name: string, value: unknown, rule: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  // A password is not shown, however wrong the rest is.
  const shown = JSON.stringify(value).replace(/(?<=:)[^:@/]+(?=@)/, '***');
  throw new ConfigError(`${name} is ${shown}: ${rule}`);
}

/**
 * Reads where Temporal is.
 *
 * @throws {@link ConfigError}
 */
export function temporalSettings(environment: Environment = process.env): TemporalSettings {
  const env = given(environment);
  let loaded: ReturnType<typeof loadClientConnectConfig>;
  try {
    loaded = loadClientConnectConfig({ overrideEnvVars: { ...env } as Record<string, string> });
  } catch (error) {
    throw new ConfigError(`the Temporal configuration cannot be read: ${(error as Error).message}`);
  }
  const ui = env.TEMPORAL_UI_ADDRESS;
  const connection = loaded.connectionOptions;
  return {
    address: connection.address ?? '127.0.0.1:7233',
    namespace: loaded.namespace ?? 'default',
    connection,
    taskQueue: check(
      taskQueueSchema,
      'BACKSTITCH_TASK_QUEUE',
      env.BACKSTITCH_TASK_QUEUE ?? 'backstitch',
      'give 1 to 200 characters',
    ),
    ui: ui === undefined ? undefined : check(urlSchema, 'TEMPORAL_UI_ADDRESS', ui, 'give an http or https address'),
  };
}

/** What a worker needs besides Temporal. */
export interface WorkerSettings {
  /** A URL for each service. */
  readonly databaseUrls: Readonly<Record<string, string>>;
  /** The operations database; absent: the compensation log is not kept. */
  readonly operationsUrl?: string;
  readonly poolSize: number;
  readonly faults: string | undefined;
}

/**
 * Reads the databases of the services, and how they are used.
 *
 * @throws {@link ConfigError}
 */
export function workerSettings(services: readonly string[], environment: Environment = process.env): WorkerSettings {
  const env = given(environment);
  const databaseUrls = Object.fromEntries(services.map((service) => [service, databaseUrl(service, env)]));
  return {
    databaseUrls,
    operationsUrl: hasOperations(env) ? databaseUrl(OPERATIONS, env) : undefined,
    poolSize: check(poolSizeSchema, 'BACKSTITCH_POOL_SIZE', env.BACKSTITCH_POOL_SIZE ?? 20, 'give 1 to 500'),
    faults: env.BACKSTITCH_FAULTS,
  };
}

/** The name of the operations database. */
export const OPERATIONS = 'operations';

/** Whether the environment names an operations database, by its own variable or with the server of all. */
function hasOperations(env: Environment): boolean {
  return env.DATABASE_URL_OPERATIONS !== undefined || env.DATABASE_URL !== undefined;
}

function databaseUrl(service: string, env: Environment): string {
  const own = `DATABASE_URL_${service.toUpperCase()}`;
  const rule = 'give a URL such as postgres://user:password@host:5432/database';
  const url = env[own];
  if (url !== undefined) return check(databaseUrlSchema, own, url, rule);
  const shared = env.DATABASE_URL;
  if (shared === undefined) {
    throw new ConfigError(
      `no database for the service '${service}': set ${own}, or DATABASE_URL to a server with a database named '${service}' (for a try without any: npm run dev)`,
    );
  }
  const server = new URL(check(databaseUrlSchema, 'DATABASE_URL', shared, rule));
  server.pathname = `/${service}`;
  return server.href;
}

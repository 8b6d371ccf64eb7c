import { existsSync, readFileSync } from 'node:fs';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { z } from 'zod';
import { bundleMark } from './bundle-mark.js';
import type { Deployment, RelayRules } from './kit/worker/index.js';

/**
 * The environment as typed settings. Every variable that a program of this package reads is named here.
 *
 * | variable | meaning | default |
 * | --- | --- | --- |
 * | `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS…`, `TEMPORAL_PROFILE`, `TEMPORAL_CONFIG_FILE` | the Temporal server: Temporal's own standard variables | `127.0.0.1:7233`, `default` |
 * | `TEMPORAL_UI_ADDRESS` | where the Web UI is, for the links that are printed | none |
 * | `BACKSTITCH_TASK_QUEUE` | the task queue of workers and clients | `backstitch` |
 * | `DATABASE_URL` | a PostgreSQL server that holds one database a service, named like the service | none |
 * | `DATABASE_URL_ORDERS`, `…_PAYMENTS`, `…_INVENTORY`, `…_SHIPPING`, `…_NOTIFICATIONS`, `…_BANK_A`, `…_BANK_B`, `…_BANK_C`, `…_WAREHOUSE` | a service's own database | from `DATABASE_URL` |
 * | `DATABASE_URL_CALLERS` | the callers' own database: their transaction state table | from `DATABASE_URL` |
 * | `DATABASE_URL_OPERATIONS` | the operations database: the compensation log; optional | `operations` on `DATABASE_URL` |
 * | `BACKSTITCH_POOL_SIZE` | connections a service's pool holds at most | 20 |
 * | `BACKSTITCH_FAULTS` | faults to inject, for demos and tests, such as `payments.charge.action:refuse` | none |
 * | `BACKSTITCH_ALARM_URL` | the http or https address to which alarms are posted | none: alarms go to the worker's log |
 * | `BACKSTITCH_ALARM_SECRET` | what signs them: base64 of 24 to 64 random bytes, such as `openssl rand -base64 32` prints, with or without `whsec_`; two while they change, with a comma between | none |
 * | `BACKSTITCH_WORKFLOW_BUNDLE` | a file with the workflows, bundled beforehand by `npm run bundle -- FILE` of the same build | none: a worker bundles them when it starts, which takes seconds |
 * | `BACKSTITCH_DEPLOYMENT`, `BACKSTITCH_BUILD_ID` | the worker deployment that this worker is a part of, and the version of its code; both, or none. What they do: docs/state-machine.md | none: workers are not versioned |
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
/** 24 to 64 bytes. */
const secretSchema = z
  .string()
  .transform((secret) => secret.replace(/^whsec_/, ''))
  .pipe(z.base64())
  .refine((secret) => {
    const bytes = Buffer.byteLength(secret, 'base64');
    return bytes >= 24 && bytes <= 64;
  });
/** A dot would end it, in the names that the server makes of both. */
const deploymentSchema = z.string().regex(/^[A-Za-z0-9_-]{1,200}$/);
const buildIdSchema = z.string().regex(/^[A-Za-z0-9_.-]{1,200}$/);
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
  /** Where alarms go. Absent: to the worker's log. */
  readonly alarms?: AlarmSettings;
  /** Whose version its code is of; absent: workers are not versioned. */
  readonly deployment?: Deployment;
  /** How messages are delivered: no variable names that. Absent: by the rules of the kit. */
  readonly relay?: Partial<RelayRules>;
}

/** A receiver of alarms. */
export interface AlarmSettings {
  readonly url: string;
  /** Each signs every alarm. */
  readonly secret: readonly string[];
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
    alarms: alarmSettings(env),
    deployment: deploymentSettings(env),
  };
}

/**
 * The file with the workflows that were bundled beforehand; undefined: they are bundled at the start.
 *
 * @throws {@link ConfigError} if it is not there, or of another release
 */
export function workflowBundleFile(environment: Environment = process.env): string | undefined {
  const { BACKSTITCH_WORKFLOW_BUNDLE: file } = given(environment);
  if (file === undefined) return undefined;
  const refuse = (why: string, make: string) =>
    new ConfigError(
      `BACKSTITCH_WORKFLOW_BUNDLE is "${file}": ${why}; ${make} (npm run bundle -- ${file}), or unset the variable`,
    );
  if (!existsSync(file)) throw refuse('there is no such file', 'make it');
  if (!readFileSync(file, 'latin1').startsWith(bundleMark())) {
    throw refuse('it is no bundle of this release', 'make it anew');
  }
  return file;
}

/** Both, or none. */
function deploymentSettings({ BACKSTITCH_DEPLOYMENT: name, BACKSTITCH_BUILD_ID: buildId }: Environment) {
  if (name === undefined && buildId === undefined) return undefined;
  const rule = 'give both: 1 to 200 letters, digits, hyphens and _, and of a build id dots too';
  return {
    name: check(deploymentSchema, 'BACKSTITCH_DEPLOYMENT', name, rule),
    buildId: check(buildIdSchema, 'BACKSTITCH_BUILD_ID', buildId, rule),
  };
}

/** The name of the operations database. */
export const OPERATIONS = 'operations';

/** Whether the environment names an operations database, by its own variable or with the server of all. */
function hasOperations(env: Environment): boolean {
  return env.DATABASE_URL_OPERATIONS !== undefined || env.DATABASE_URL !== undefined;
}

/** Nothing of what was given is shown when it is wrong: the address may be as secret as the secret. */
function alarmSettings({ BACKSTITCH_ALARM_URL: url, BACKSTITCH_ALARM_SECRET: secret }: Environment) {
  if (url === undefined && secret === undefined) return undefined;
  if (url === undefined || secret === undefined) {
    const [given, missing] = url === undefined ? ['SECRET', 'URL'] : ['URL', 'SECRET'];
    throw new ConfigError(
      `BACKSTITCH_ALARM_${given} is set and BACKSTITCH_ALARM_${missing} is not: give both, or none`,
    );
  }
  const address = urlSchema.safeParse(url).success ? new URL(url) : undefined;
  if (address?.username !== '' || address.password !== '') {
    throw new ConfigError(
      'BACKSTITCH_ALARM_URL is not what it has to be (it is not shown): give an http or https address without user and password, such as https://alerts.example.com/backstitch',
    );
  }
  const secrets = secret.split(',').map((each) => each.trim());
  const wrong = secrets.findIndex((each) => !secretSchema.safeParse(each).success);
  if (wrong >= 0) {
    throw new ConfigError(
      `BACKSTITCH_ALARM_SECRET is not what it has to be (it is not shown; number ${wrong + 1} of ${secrets.length}): give base64 of 24 to 64 bytes, such as openssl rand -base64 32 prints`,
    );
  }
  return { url, secret: secrets };
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

import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Connection, isGrpcServiceError } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { Child } from '../../src/dev/child.js';
import { onPort } from '../../src/dev/ports.js';
import type { Servers } from '../../src/dev/servers.js';
import { prepareNamespace, type SearchAttributes } from '../../src/dev/temporal.js';
import { firstLine } from '../../src/dev/temporal-program.js';
import { configText, dynamicConfigText, PLUGIN } from './config.js';
import { servicePorts } from './ports.js';
import type { ProductionPrograms } from './programs.js';

const run = promisify(execFile);

/** The databases of the server, with the name of the tables that each has. */
const schemas = { temporal: 'postgresql/v12/temporal', temporal_visibility: 'postgresql/v12/visibility' } as const;

/** The databases that the server needs, empty. */
export const productionDatabases = Object.keys(schemas) as (keyof typeof schemas)[];

/** How Temporal's production server is started. */
export interface ProductionServerOptions {
  readonly programs: ProductionPrograms;
  /** Servers that were started on an empty state, with the {@link productionDatabases}, and without Temporal. */
  readonly servers: Servers;
  readonly searchAttributes: SearchAttributes;
  readonly onDeath?: (report: Error) => void;
}

/** A running production server. */
export interface ProductionServer {
  readonly address: string;
  /** Call it before PostgreSQL is stopped. */
  readonly stop: () => Promise<void>;
}

/**
 * Starts Temporal's production server, all services in one process, on PostgreSQL, and waits until the namespace can be
 * used.
 *
 * @throws with its last lines if it does not start; one line if its tables cannot be made
 */
export async function startProductionServer(options: ProductionServerOptions): Promise<ProductionServer> {
  const { programs, servers, searchAttributes, onDeath } = options;
  const { namespace } = servers.temporal;
  for (const name of productionDatabases) await makeTables(programs.sql, servers.databaseUrl(name), schemas[name]);
  const folder = join(servers.state, 'production');
  mkdirSync(folder, { recursive: true });
  const dynamicConfigFile = join(folder, 'dynamic.yaml');
  writeFileSync(dynamicConfigFile, dynamicConfigText());

  return onPort({ what: "Temporal's production server" }, async (port) => {
    const address = `127.0.0.1:${port}`;
    const config = configText({
      ports: await servicePorts(port),
      store: servers.databaseUrl('temporal'),
      visibility: servers.databaseUrl('temporal_visibility'),
      dynamicConfigFile,
    });
    writeFileSync(join(folder, 'server.yaml'), config, { mode: 0o600 }); // It holds a password.
    const child = await Child.start(
      {
        name: "Temporal's production server",
        command: programs.server,
        args: ['--root', folder, '--config', '.', '--env', 'server', '--allow-no-auth', 'start'],
        logFile: join(servers.state, 'temporal.log'),
        signal: 'SIGINT',
        signalAtOnce: 'SIGKILL',
        readyMs: 120_000,
        onDeath,
        async ready() {
          await registerNamespace(address, namespace);
          await prepareNamespace({ address }, namespace, searchAttributes, { connectMs: 2_000 });
        },
      },
      (pid) => {
        servers.record("Temporal's production server", pid, 'SIGINT');
      },
    );
    return { address, stop: () => child.stop() };
  });
}

/** @throws with what the tool said */
async function makeTables(tool: string, databaseUrl: string, schema: string): Promise<void> {
  const { hostname, port, username, password, pathname } = new URL(databaseUrl);
  // The password is no argument, which all could see.
  const env = { PATH: process.env.PATH, SQL_PASSWORD: decodeURIComponent(password) };
  const where = ['--plugin', PLUGIN, '--endpoint', hostname, '--port', port || '5432'];
  const database = ['--user', decodeURIComponent(username), '--database', pathname.slice(1)];
  for (const command of [
    ['setup-schema', '--version', '0.0'],
    ['update-schema', '--schema-name', schema],
  ]) {
    try {
      await run(tool, [...where, ...database, ...command], { env, timeout: 120_000 });
    } catch (error) {
      const { stderr = '' } = error as { stderr?: string };
      const said = [...stderr.matchAll(/"error": ("(?:[^"\\]|\\.)*")/g)].at(-1)?.[1] ?? firstLine(error);
      throw new Error(`the tables of Temporal's production server could not be made: ${said}`, {
        cause: error,
      });
    }
  }
}

/** gRPC's number for what exists already. */
const ALREADY_EXISTS = 6;
/** How long ended transactions stay known: the least that the server takes, and longer than any benchmark. */
const RETENTION_MS = 86_400_000;

/** Registers the namespace, unless it is there. @throws while the server does not answer */
async function registerNamespace(address: string, namespace: string): Promise<void> {
  const connection = await Connection.connect({ address, connectTimeout: 2_000 });
  try {
    await connection.withDeadline(Date.now() + 10_000, () =>
      connection.workflowService.registerNamespace({
        namespace,
        workflowExecutionRetentionPeriod: msToTs(RETENTION_MS),
      }),
    );
  } catch (error) {
    if (!isGrpcServiceError(error) || (error.code as number) !== ALREADY_EXISTS) throw error;
  } finally {
    await connection.close();
  }
}

import { dynamicConfig } from '../../src/dev/temporal.js';

/** The services that make up a Temporal server; here one process runs all of them, as its container image does. */
export const services = ['frontend', 'history', 'matching', 'worker'] as const;

/** Where one of them listens, for calls and for the others' gossip. */
export interface ServicePorts {
  readonly grpc: number;
  readonly membership: number;
}

/** What differs from one start to the next. */
export interface ProductionConfig {
  readonly ports: Readonly<Record<(typeof services)[number], ServicePorts>>;
  /** The URL of the database that holds histories and queues. */
  readonly store: string;
  /** The URL of the database that lists ask. */
  readonly visibility: string;
  /** The file that holds the {@link dynamicConfigText}. */
  readonly dynamicConfigFile: string;
}

const HOST = '127.0.0.1';

/**
 * A queue and a lock of its own for each part of the transactions: as many as the server's own configurations for one
 * machine have. More would be more queues to read and nothing gained, with two cores and one PostgreSQL.
 */
const HISTORY_SHARDS = 4;

/**
 * Connections of each service to a database, as the server's container image has them: 120 if all four services used all
 * of theirs, which leaves 180 of the embedded PostgreSQL's 300 to the benchmark's pools.
 */
const CONNECTIONS = { store: 20, visibility: 10 };

/** The server's configuration file. It reads YAML, and JSON is that too, without a thought about quoting. */
export function configText({ ports, store, visibility, dynamicConfigFile }: ProductionConfig): string {
  return json({
    log: { stdout: true, level: 'error' },
    persistence: {
      defaultStore: 'default',
      visibilityStore: 'visibility',
      numHistoryShards: HISTORY_SHARDS,
      datastores: {
        default: { sql: datastore(store, CONNECTIONS.store) },
        visibility: { sql: datastore(visibility, CONNECTIONS.visibility) },
      },
    },
    global: { membership: { maxJoinDuration: '30s', broadcastAddress: HOST } },
    services: Object.fromEntries(
      services.map((service) => {
        const { grpc, membership } = ports[service];
        return [service, { rpc: { grpcPort: grpc, membershipPort: membership, bindOnIP: HOST } }];
      }),
    ),
    clusterMetadata: {
      enableGlobalNamespace: false,
      failoverVersionIncrement: 10,
      masterClusterName: 'active',
      currentClusterName: 'active',
      clusterInformation: {
        active: {
          enabled: true,
          initialFailoverVersion: 1,
          rpcName: 'frontend',
          rpcAddress: `${HOST}:${ports.frontend.grpc}`,
        },
      },
    },
    dcRedirectionPolicy: { policy: 'noop' },
    dynamicConfigClient: { filepath: dynamicConfigFile, pollInterval: '60s' },
  });
}

/** The file of the settings that the server reads while it runs: the same that the development server is given. */
export function dynamicConfigText(): string {
  return json(Object.fromEntries(Object.entries(dynamicConfig).map(([key, value]) => [key, [{ value }]])));
}

/** A URL's parts, as the server names them. */
function datastore(url: string, connections: number) {
  const { host, username, password, pathname } = new URL(url);
  return {
    pluginName: PLUGIN,
    databaseName: pathname.slice(1),
    connectAddr: host,
    connectProtocol: 'tcp',
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    maxConns: connections,
    maxIdleConns: connections,
    maxConnLifetime: '1h',
  };
}

/** What the server calls PostgreSQL 12 and later. */
export const PLUGIN = 'postgres12';

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

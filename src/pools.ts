import pg from 'pg';
import { ConfigError } from './config.js';
import { pgDatabase, type Database } from './kit/database/index.js';
import { messageOf } from './kit/database/message.js';

/** The pools of one program, and what is said when a database cannot be used. This is the only place that builds pools. */
export class Pools {
  readonly #pools: pg.Pool[] = [];

  /** A pool for the database of this name, which need not be reachable yet. */
  open(name: string, connectionString: string | undefined, max: number): Database {
    const pool = new pg.Pool({
      connectionString,
      max,
      connectionTimeoutMillis: 5_000,
      application_name: `backstitch ${name}`,
    });
    this.#pools.push(pool);
    return pgDatabase(pool);
  }

  /**
   * A pool for each service's database.
   *
   * @throws {@link ConfigError} if one cannot be reached: one line that says which
   */
  async openServices<Service extends string>(
    services: readonly Service[],
    urls: Readonly<Record<string, string>>,
    max: number,
  ): Promise<Record<Service, Database>> {
    const databases = {} as Record<Service, Database>;
    for (const service of services) databases[service] = this.open(service, urls[service], max);
    await Promise.all(
      services.map((service) =>
        reach(`the database of the service '${service}'`, service, databases[service], urls[service]),
      ),
    );
    return databases;
  }

  /** Another pool for each of these services' databases, beside its first one. @param what it is for */
  openBeside<Service extends string>(
    services: readonly Service[],
    urls: Readonly<Record<string, string>>,
    max: number,
    what: string,
  ): Record<Service, Database> {
    const opened = services.map((service) => [service, this.open(`${service} ${what}`, urls[service], max)]);
    return Object.fromEntries(opened) as Record<Service, Database>;
  }

  async close(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.end()));
  }
}

/** @throws {@link ConfigError}: one line that says which database cannot be used, and which variable names it */
export async function reach(what: string, name: string, database: Database, url: string | undefined): Promise<void> {
  try {
    await database.run('select 1');
  } catch (error) {
    const { host, pathname } = new URL(url ?? '');
    throw new ConfigError(
      `${what} (${pathname.slice(1)} at ${host}) cannot be used: ${messageOf(error)}; see DATABASE_URL_${name.toUpperCase()} or DATABASE_URL`,
    );
  }
}

/** What the adapter needs of a `pg.Pool`; structural, so that the kit does not depend on pg. */
export interface PgPool {
  connect(): Promise<PgClient>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'connect', listener: (client: PgClient) => void): unknown;
  /** The class of its connections, which a `pg.Pool` has: BEGIN and COMMIT then take no round trip of their own. */
  readonly Client?: unknown;
}

/** What the adapter needs of a client from the pool. */
export interface PgClient {
  query(query: { name?: string; text: string; values?: unknown[] }): Promise<{ command: string; rows: object[] }>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  on(event: 'notification', listener: (message: { channel: string; payload?: string }) => void): unknown;
  release(destroy?: Error | boolean): void;
}

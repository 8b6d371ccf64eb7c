import assert from 'node:assert/strict';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import pg from 'pg';
import { pgDatabase, type Database } from '../../../src/kit/database/index.js';
import { testDatabase, type TestDatabase } from '../../support/servers.js';

describe('a pg pool as a database', () => {
  let database: TestDatabase;
  let network: Network;
  let pool: pg.Pool;
  let db: Database;

  before(async () => {
    database = await testDatabase('pg');
    network = await Network.to(database.url);
    // One connection: whatever keeps it for itself stops all that follows.
    pool = new pg.Pool({ connectionString: network.url, max: 1, connectionTimeoutMillis: 10_000 });
    db = pgDatabase(pool);
    await db.run('create table parents (id int primary key)');
    await db.run('create table children (id int references parents deferrable initially deferred)');
  });
  after(async () => {
    await pool.end();
    network.close();
    await database.drop();
  });

  const connection = async () => (await db.run<{ pid: number }>('select pg_backend_pid() as pid'))[0]?.pid;

  it('gives up a connection that went silent, within a transaction and in a single statement', async () => {
    const before = await connection();
    const silent = db.transaction(async (sql) => {
      network.silence();
      await sql('select 1', []);
    }, 200);
    await assert.rejects(silent, /the database was not done within 200 ms: its connection is given up/);
    const after = await connection();
    assert.notEqual(after, before);
    network.silence();
    await assert.rejects(pgDatabase(pool, { timeoutMs: 200 }).run('select 1'), /not done within 200 ms/);
    assert.notEqual(await connection(), after);
  });

  it('never uses a connection again whose commit failed', async () => {
    const before = await connection();
    const orphan = db.transaction((sql) => sql('insert into children values (1)'));
    await assert.rejects(orphan, { code: '23503' });
    assert.notEqual(await connection(), before);
  });

  it('keeps a connection that rolled back, whatever its work failed with', async () => {
    const before = await connection();
    for (const text of ['select 1 / 0', 'insert into parents values (1), (1)']) {
      await assert.rejects(db.transaction((sql) => sql(text)));
    }
    await assert.rejects(db.transaction(() => Promise.reject(new Error('no'))));
    assert.equal(await connection(), before);
  });

  it('prepares anew on another connection what does not fit its table any more, or is gone', async () => {
    const read = () => db.transaction((sql) => sql('select * from parents', []));
    await read();
    for (const [change, code] of [
      ['alter table parents add column name text', '0A000'],
      ['deallocate all', '26000'],
    ] as const) {
      await db.transaction((sql) => sql(change));
      await assert.rejects(read(), { code });
      assert.deepEqual(await read(), []);
    }
  });

  it('survives a server that is stopped just as it has taken a connection', async () => {
    const fresh = new pg.Pool({ connectionString: network.url, max: 1 });
    const again = pgDatabase(fresh);
    for (const use of [() => again.run('select 1'), () => again.transaction((sql) => sql('select 1', []))]) {
      // Both in one packet: nobody who waits for the connection has it yet.
      network.endNext();
      await assert.rejects(use());
      assert.deepEqual(await again.run('select 1 as one'), [{ one: 1 }]);
      await again.run('select pg_terminate_backend(pg_backend_pid())').catch(() => undefined);
    }
    await fresh.end();
  });
});

/** That a connection is ready, as a server tells it. */
const READY = Buffer.from('Z\0\0\0\u0005I', 'latin1');
/** What a server says that is stopped. */
const STOPPED = (() => {
  const fields = ['SFATAL', 'VFATAL', 'C57P01', 'Mterminating connection due to administrator command', ''];
  const body = Buffer.from(fields.map((field) => `${field}\0`).join(''));
  const head = Buffer.from('E\0\0\0\0');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
})();

/**
 * A network between a pool and its server that can go silent: what is sent arrives nowhere, and nobody is told. Or it lets a
 * server end a connection in the packet in which it has taken it.
 */
class Network {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;
  #endsNext = false;

  private constructor(url: string, server: Server, sockets: Set<Socket>) {
    this.url = url;
    this.#server = server;
    this.#sockets = sockets;
  }

  static async to(url: string): Promise<Network> {
    const { hostname, port } = new URL(url);
    const sockets = new Set<Socket>();
    const server = createServer((near) => {
      const far = connect(Number(port), hostname);
      near.pipe(far);
      if (network.#endsNext) network.#endOnceReady(near, far);
      else far.pipe(near);
      for (const socket of [near, far]) {
        sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          near.destroy();
          far.destroy();
        });
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const through = new URL(url);
    through.hostname = '127.0.0.1';
    through.port = String((server.address() as AddressInfo).port);
    const network = new Network(through.href, server, sockets);
    return network;
  }

  /** Ends the next connection. */
  endNext(): void {
    this.#endsNext = true;
  }

  #endOnceReady(near: Socket, far: Socket): void {
    this.#endsNext = false;
    far.on('data', (chunk) => {
      if (chunk.subarray(-READY.length).equals(READY)) near.end(Buffer.concat([chunk, STOPPED]));
      else near.write(chunk);
    });
  }

  /** On the connections that there are. */
  silence(): void {
    for (const socket of this.#sockets) socket.unpipe();
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidOrdersFile, ORDERS_HEADER, readOrders } from '../../src/client/orders-file.js';

describe('a file of orders', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'orders-'));
  });
  after(() => rm(folder, { recursive: true }));

  const file = async (content: string | Buffer): Promise<string> => {
    const path = join(folder, `${Math.random()}.csv`);
    await writeFile(path, content);
    return path;
  };
  const read = async (content: string | Buffer) => readOrders(await file(content));
  const refused = async (content: string | Buffer): Promise<InvalidOrdersFile> => {
    const path = await file(content);
    try {
      await readOrders(path);
    } catch (error) {
      assert.ok(error instanceof InvalidOrdersFile, String(error));
      for (const line of error.message.split('\n')) assert.ok(line.startsWith(path) || line.startsWith('…'), line);
      return error;
    }
    assert.fail('the file was accepted');
  };
  const row = (id: string) => `${id},c1,1997-01-01,2,2933`;

  it('is read into orders', async () => {
    assert.deepEqual(await read(`${ORDERS_HEADER}\no-1,00004,1997-01-01,2,2933\n`), [
      { orderId: 'o-1', customerId: '00004', sku: 'cd', units: 2, amount: 2933, sequence: 'pay-first' },
    ]);
  });

  it('gives all orders the sequence that is asked for, and only as many as are asked for', async () => {
    const path = await file([ORDERS_HEADER, row('a'), row('b'), row('c')].join('\n'));
    const orders = await readOrders(path, { sequence: 'stock-first', limit: 2 });
    assert.deepEqual(
      orders.map(({ orderId, sequence }) => [orderId, sequence]),
      [
        ['a', 'stock-first'],
        ['b', 'stock-first'],
      ],
    );
  });

  it('may have a byte order mark, CRLF or CR or no line end at the end, quotes, and empty lines', async () => {
    const ids = async (content: string) => (await read(content)).map((order) => order.orderId);
    assert.deepEqual(await ids(`\uFEFF${ORDERS_HEADER}\r\n${row('a')}\r\n${row('b')}`), ['a', 'b']);
    assert.deepEqual(await ids(`${ORDERS_HEADER}\r${row('a')}\r${row('b')}\r`), ['a', 'b']);
    assert.deepEqual(
      await ids(`"order_id","customer_id",ordered_on,units,amount_cents\n"a","c1",1997-01-01,"2",5\n\n`),
      ['a'],
    );
    assert.deepEqual(await ids(`${ORDERS_HEADER}\n\n${row('a')}\n  \n${row('b')}\n\n`), ['a', 'b']);
  });

  it('of 7,000 lines with 3 bad ones reports the 3, with number, field, value and rule', async () => {
    const lines = [ORDERS_HEADER, ...Array.from({ length: 7_000 }, (_, n) => row(`order-${n}`))];
    lines[499] = 'order-x,c1,1997-01-01,0,2933';
    lines[3_999] = 'order-y,c1,1997-02-30,1,2933';
    lines[6_000] = 'order-z,c1,1997-01-01,1,12.50';
    const { issues, message } = await refused(lines.join('\n'));
    assert.deepEqual(
      issues.map(({ line, field, value }) => [line, field, value]),
      [
        [500, 'units', '0'],
        [4_000, 'ordered_on', '1997-02-30'],
        [6_001, 'amount_cents', '12.50'],
      ],
    );
    assert.match(message, /3 of 7000 orders are wrong; nothing was started/);
    assert.match(message, /:500: units: "0": must be a whole number from 1 to 1000000$/m);
    assert.equal(message.split('\n').length, 4);
  });

  it('reports each field of a line that is wrong', async () => {
    const { issues } = await refused(`${ORDERS_HEADER}\n,c 1,yesterday,-1,x\n`);
    assert.deepEqual(
      issues.map(({ field, value }) => [field, value]),
      [
        ['ordered_on', 'yesterday'],
        ['order_id', ''],
        ['customer_id', 'c 1'],
        ['units', '-1'],
        ['amount_cents', 'x'],
      ],
    );
  });

  it('reports an order that is in it twice, with both lines', async () => {
    const { message } = await refused([ORDERS_HEADER, row('a'), row('b'), row('a')].join('\n'));
    assert.match(message, /:4: order_id: "a": line 2 has it already/);
  });

  it('reports a line with too few or too many fields, or a quote out of place, and no line after it', async () => {
    const { issues } = await refused(
      [ORDERS_HEADER, 'a,c1', `${row('b')},x`, '"c,c1,1997-01-01,2,5', row('d')].join('\n'),
    );
    assert.deepEqual(
      issues.map(({ line, field }) => [line, field]),
      [
        [2, 'line'],
        [3, 'line'],
        [4, 'line'],
      ],
    );
  });

  it('tells at most 100 bad lines one by one', async () => {
    const { message, issues } = await refused([ORDERS_HEADER, ...Array.from({ length: 500 }, () => 'bad')].join('\n'));
    assert.equal(issues.length, 500);
    assert.equal(message.split('\n').length, 102);
    assert.match(message, /… and 400 more$/);
  });

  it('must begin with the header', async () => {
    assert.match((await refused(`${row('a')}\n`)).message, /:1: header: .*must be order_id,customer_id/);
    assert.match((await refused('order_id;customer_id\n')).message, /must be order_id,customer_id/);
    assert.match((await refused('')).message, /the file is empty/);
    assert.match((await refused(`${ORDERS_HEADER}\n`)).message, /no orders/);
  });

  it('must be UTF-8 text', async () => {
    const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(`${ORDERS_HEADER}\n${row('a')}\n`, 'utf16le')]);
    assert.match((await refused(utf16)).message, /not UTF-8 text: save it as CSV in UTF-8/);
    const latin1 = Buffer.from(`${ORDERS_HEADER}\ncaf\u00e9,c1,1997-01-01,2,5\n`, 'latin1');
    assert.match((await refused(latin1)).message, /not UTF-8 text/);
    assert.match((await refused('x'.repeat(100_000))).message, /the line is too long/);
  });

  it('must be there, and be a file', async () => {
    await assert.rejects(readOrders(join(folder, 'none.csv')), /none\.csv: there is no such file/);
    await assert.rejects(readOrders(folder), /it is a folder/);
  });

  it('is read right wherever its chunks are cut', async () => {
    // Lines of changing length, far more than one chunk of the file's stream, with CRLF on every cut sooner or later.
    const lines = Array.from({ length: 30_000 }, (_, n) => row(`order-${n}${'x'.repeat(n % 17)}`));
    const orders = await read([ORDERS_HEADER, ...lines].join('\r\n'));
    assert.equal(orders.length, 30_000);
    assert.equal(orders.at(-1)?.orderId, `order-29999${'x'.repeat(29_999 % 17)}`);
  });

  it('of real orders is read whole', async () => {
    const orders = await readOrders('examples/orders.csv');
    assert.equal(orders.length, 6_919);
    assert.equal(
      orders.reduce((sum, order) => sum + order.amount, 0),
      24_409_194,
    );
  });
});

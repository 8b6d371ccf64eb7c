import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { messageOf } from '../../../src/kit/database/message.js';

describe('what an error says', () => {
  it('is what those say that it stands for, where it says nothing: a name with two addresses, neither of which answers', async () => {
    const server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    await once(server.close(), 'close');
    const addresses = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }));
    const lookup = (_: string, __: object, found: (error: null, all: typeof addresses) => void) => {
      found(null, addresses);
    };
    const [error] = (await once(connect({ host: 'two', port, lookup }), 'connect').then(
      () => assert.fail('it connects'),
      (failure: unknown) => [failure],
    )) as [Error];
    assert.ok(error instanceof AggregateError && error.message === '', String(error));
    assert.equal(
      messageOf(error),
      addresses.map(({ address }) => `connect ECONNREFUSED ${address}:${port}`).join('; '),
    );
  });

  it('is its own message, else its name, with that of its cause once', () => {
    assert.equal(messageOf(new Error('it failed')), 'it failed');
    assert.equal(messageOf(new TypeError('')), 'TypeError');
    assert.equal(messageOf(new AggregateError([], '')), 'AggregateError');
    assert.equal(messageOf(new AggregateError([new Error('a'), new Error('a')], '')), 'a');
    const cause = new Error('the line is cut');
    assert.equal(messageOf(new Error('it failed', { cause })), 'it failed: the line is cut');
    assert.equal(messageOf(new Error('it failed as the line is cut', { cause })), 'it failed as the line is cut');
    assert.equal(messageOf('only text'), 'only text');
  });
});

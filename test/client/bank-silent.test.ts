import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Proxy } from '../chaos/proxy.js';
import { openClientWorld, type ClientWorld } from './support.js';

describe('the command line of the banks, where the database of one takes connections and never answers', function () {
  this.timeout(120_000);
  let world: ClientWorld;
  let proxy: Proxy;
  let answer: () => void = () => undefined;
  before(async () => {
    world = await openClientWorld(undefined, undefined, async (service, text) => {
      if (service !== 'bank_b') return text;
      const url = new URL(text);
      proxy = await Proxy.start(Number(url.port));
      url.port = String(proxy.port);
      return url.href;
    });
    const opened = await world.run('bank', 'open');
    assert.equal(opened.code, 0, opened.stderr.join('\n'));
    answer = proxy.hold('answers');
  });
  after(async () => {
    answer();
    proxy.cut();
    await world.close();
    await proxy.close();
  });
  const why =
    'the database of bank_b is silent or busy \\(it has not answered within 3 s\\): see that it is up, and that workers reach it \\(DATABASE_URL_BANK_B or DATABASE_URL\\), then ask again';

  it('says so in one line: bank show', async () => {
    const { code, stdout, stderr } = await world.run('bank', 'show');
    assert.deepEqual([code, stdout, stderr.length], [2, '', 1], stderr.join('\n'));
    assert.match(stderr[0] ?? '', new RegExp(`^${why}$`));
  });

  it('says so in one line, and that it may have been done: bank status', async () => {
    const { code, stdout, stderr } = await world.run('bank', 'status', 'bank_b:bob', 'frozen');
    assert.deepEqual([code, stdout, stderr.length], [1, '', 1], stderr.join('\n'));
    assert.match(stderr[0] ?? '', new RegExp(`^${why}; it may be done nevertheless: look with bank show before$`));
  });

  it('says which one could not be asked, and does the rest: reconcile, scan', async () => {
    const cannot = /the database of 'bank_b' cannot be read: it has not answered within \d+ s/;
    const pairs = 'purchases-debits,orders-payments';
    const [compared, scanned] = await Promise.all([world.run('reconcile', '--pairs', pairs), world.run('scan')]);
    const said = compared.stderr.filter((line) => !/^\d\/4 looks at pairs$/.test(line));
    assert.deepEqual([compared.code, said], [1, []]);
    const lines = compared.stdout.split('\n').filter((line) => line.includes('could NOT be compared'));
    assert.deepEqual([lines.length, lines[0]?.startsWith('purchases-debits ')], [1, true], compared.stdout);
    assert.match(lines[0] ?? '', cannot);
    assert.deepEqual([scanned.code, scanned.stderr], [1, []]);
    assert.match(scanned.stdout, /\n {2}bank_b could not be read: [^\n]+/);
    assert.equal(scanned.stdout.split('bank_b could not be read').length, 2, 'it is said once');
  });

  it('needs no database where none is asked, and says so in one line where nothing can be said: desk list, desk show', async () => {
    const listed = await world.run('desk', 'list', '--branch', 'nothing-such');
    assert.deepEqual([listed.code, listed.stdout, listed.stderr], [0, 'nothing waits at the desk\n', []]);
    const shown = await world.run('desk', 'show', 'transfer-nothing-such');
    assert.deepEqual([shown.code, shown.stdout, shown.stderr.length], [3, '', 1], shown.stderr.join('\n'));
    assert.match(
      shown.stderr[0] ?? '',
      /^nothing can be said of transfer-nothing-such: the database of 'bank_b' cannot be read: /,
    );
  });

  it('asks the other banks as ever', async () => {
    assert.equal((await world.run('bank', 'status', 'bank_a:alice', 'open')).code, 0);
  });

  it('says so in one line, and starts nothing: transfer', async () => {
    const id = randomUUID();
    const legs = ['--from', 'bank_b:bob:5', '--to', 'bank_a:alice'];
    for (const scheme of ['saga', '2pc']) {
      const { code, stdout, stderr } = await world.run('transfer', '--scheme', scheme, '--id', id, ...legs);
      assert.deepEqual([code, stdout, stderr.length], [2, '', 1], stderr.join('\n'));
      assert.match(stderr[0] ?? '', new RegExp(`^${why}: nothing was started$`));
    }
    answer();
    assert.equal((await world.run('tx', 'show', `transfer-${id}`)).code, 2, 'it was started');
  });
});

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { bundleMark } from '../src/bundle-mark.js';
import { ConfigError, temporalSettings, workerSettings, workflowBundleFile } from '../src/config.js';
import { createShop, serviceNames, type ShopDatabases } from '../src/activities/index.js';
import { withRules } from '../src/worker.js';
import { Program } from './support/program.js';

describe('the worker program', () => {
  it('without a database ends with exit code 2 and says which variable to set', async () => {
    const program = new Program('src/worker.ts', [], { DATABASE_URL: '' });
    assert.equal(await program.ended, 2);
    assert.match(
      program.stderr,
      /^worker: no database for the service 'orders': set DATABASE_URL_ORDERS, or DATABASE_URL/m,
    );
  });

  it('without the bundle of its workflows that it is told of ends with exit code 2, and says how to make it', () => {
    assert.throws(
      () => workflowBundleFile({ BACKSTITCH_WORKFLOW_BUNDLE: '/nowhere/bundle.js' }),
      new ConfigError(
        'BACKSTITCH_WORKFLOW_BUNDLE is "/nowhere/bundle.js": there is no such file; make it (npm run bundle -- /nowhere/bundle.js), or unset the variable',
      ),
    );
    assert.equal(workflowBundleFile({ BACKSTITCH_WORKFLOW_BUNDLE: '' }), undefined);
  });

  it('refuses the bundle of another release', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bundle-'));
    const BACKSTITCH_WORKFLOW_BUNDLE = join(folder, 'workflows.js');
    try {
      for (const [code, isOwn] of [
        [`${bundleMark()} var __TEMPORAL__;`, true],
        [`${bundleMark().replace(/\d+\.\d+/, '0.0')} var __TEMPORAL__;`, false],
        ['var __TEMPORAL__;', false],
        ['', false],
      ] as const) {
        await writeFile(BACKSTITCH_WORKFLOW_BUNDLE, code);
        const file = () => workflowBundleFile({ BACKSTITCH_WORKFLOW_BUNDLE });
        if (isOwn) assert.equal(file(), BACKSTITCH_WORKFLOW_BUNDLE);
        else
          assert.throws(file, /^ConfigError: .*: it is no bundle of this release; make it anew \(npm run bundle -- /);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('is the program by any path that leads to its file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'worker-'));
    try {
      const link = join(folder, 'current');
      await symlink(resolve('src'), link);
      const program = new Program(join(link, 'worker.ts'), [], { DATABASE_URL: '' });
      assert.equal(await program.ended, 2, program.stderr);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('the outboxes of a worker', () => {
  it('are delivered by their own rules, but for those that the worker is given', () => {
    const none = { run: () => Promise.resolve([]), transaction: () => Promise.reject(new Error('no database')) };
    const databases = Object.fromEntries(serviceNames.map((name) => [name, none]));
    const { outboxes } = createShop({ databases: databases as unknown as ShopDatabases });
    const orders = outboxes.find(({ outbox }) => outbox.name === 'orders');
    assert.ok(orders);
    assert.deepEqual(withRules(orders, undefined).rules, { single: 8 });
    assert.deepEqual(withRules(orders, { pollMs: 50 }).rules, { single: 8, pollMs: 50 });
    assert.deepEqual(withRules(orders, { single: 2 }).rules, { single: 2 });
  });
});

describe('the environment', () => {
  it('that is empty is as if it were not set', () => {
    const empty = { TEMPORAL_UI_ADDRESS: '', BACKSTITCH_TASK_QUEUE: '', TEMPORAL_NAMESPACE: '' };
    const { ui, taskQueue, namespace } = temporalSettings(empty);
    assert.deepEqual({ ui, taskQueue, namespace }, { ui: undefined, taskQueue: 'backstitch', namespace: 'default' });
  });

  it('may name an operations database, by itself or with the server of all; without one there is none', () => {
    const operations = (env: Record<string, string>) =>
      workerSettings(['orders'], { DATABASE_URL_ORDERS: 'postgres://a/orders', ...env }).operationsUrl;
    assert.equal(operations({}), undefined);
    assert.equal(operations({ DATABASE_URL_OPERATIONS: '' }), undefined);
    assert.equal(operations({ DATABASE_URL: 'postgres://b/postgres' }), 'postgres://b/operations');
    assert.equal(operations({ DATABASE_URL_OPERATIONS: 'postgres://c/ops' }), 'postgres://c/ops');
    assert.throws(
      () => operations({ DATABASE_URL_OPERATIONS: 'there' }),
      /^ConfigError: DATABASE_URL_OPERATIONS is "there"/,
    );
  });

  it('that is wrong is told without its password', () => {
    const wrong = () => workerSettings(['orders'], { DATABASE_URL: 'mysql://user:secret@db:3306' });
    assert.throws(wrong, (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.equal(
        error.message,
        'DATABASE_URL is "mysql://user:***@db:3306": give a URL such as postgres://user:password@host:5432/database',
      );
      return true;
    });
  });

  describe('that names a receiver of alarms', () => {
    const url = 'https://alerts.example.com/token';
    const secret = `whsec_${randomBytes(32).toString('base64')}`;
    const alarms = (env: Record<string, string>) =>
      workerSettings(['orders'], { DATABASE_URL: 'postgres://db', ...env }).alarms;

    it('gives its address and its secrets; without one alarms go to the log', () => {
      const other = randomBytes(24).toString('base64');
      assert.deepEqual(alarms({ BACKSTITCH_ALARM_URL: url, BACKSTITCH_ALARM_SECRET: `${secret}, ${other}` }), {
        url,
        secret: [secret, other],
      });
      assert.equal(alarms({}), undefined);
      assert.equal(alarms({ BACKSTITCH_ALARM_URL: '', BACKSTITCH_ALARM_SECRET: '' }), undefined);
    });

    it('is refused in one line that shows neither when something is wrong', () => {
      const wrong = [
        [
          { BACKSTITCH_ALARM_URL: url },
          'BACKSTITCH_ALARM_URL is set and BACKSTITCH_ALARM_SECRET is not: give both, or none',
        ],
        [
          { BACKSTITCH_ALARM_SECRET: secret },
          'BACKSTITCH_ALARM_SECRET is set and BACKSTITCH_ALARM_URL is not: give both, or none',
        ],
        ...['alerts.example.com/token', 'ftp://alerts.example.com/token', 'https://user:token@alerts.example.com'].map(
          (given) =>
            [
              { BACKSTITCH_ALARM_URL: given, BACKSTITCH_ALARM_SECRET: secret },
              'BACKSTITCH_ALARM_URL is not what it has to be (it is not shown): give an http or https address without user and password, such as https://alerts.example.com/backstitch',
            ] as const,
        ),
        ...['token', randomBytes(23).toString('base64'), randomBytes(65).toString('base64')].map(
          (given) =>
            [
              { BACKSTITCH_ALARM_URL: url, BACKSTITCH_ALARM_SECRET: `${secret},${given}` },
              'BACKSTITCH_ALARM_SECRET is not what it has to be (it is not shown; number 2 of 2): give base64 of 24 to 64 bytes, such as openssl rand -base64 32 prints',
            ] as const,
        ),
      ] as const;
      for (const [env, message] of wrong) {
        assert.throws(() => alarms(env), new ConfigError(message));
        assert.ok(!message.includes('token'));
      }
    });
  });
});

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { serviceNames } from '../../src/activities/index.js';
import { searchAttributeTypes } from '../../src/kit/workflow/index.js';
import { composeProblems } from './problems.js';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const inRepository = (path: string) => existsSync(new URL(path, root));
const text = read('temporal-compose.yml');

type Broken = Record<string, unknown> & { command?: string[]; environment: Record<string, string> };

/** The problems of the compose file with one service changed. */
function problemsWith(service: string, change: (service: Broken) => void): string[] {
  const compose = parse(text) as { services: Record<string, Broken> };
  const changed = compose.services[service];
  assert(changed, service);
  change(changed);
  return composeProblems(stringify(compose), inRepository);
}

describe('the compose file', () => {
  it('keeps the Compose specification and the rules of the house', () => {
    assert.deepEqual(composeProblems(text, inRepository), []);
  });

  it('gives each service of the shop a database of its own', () => {
    const { services } = parse(text) as { services: Record<string, Broken> };
    const created = [...read('deploy/shop/databases.sql').matchAll(/^CREATE DATABASE (\w+);$/gm)].map(
      ([, name = '']) => name,
    );
    assert.deepEqual(created, [...serviceNames, 'operations']);
    for (const service of created) {
      const url = services.worker?.environment[`DATABASE_URL_${service.toUpperCase()}`];
      assert(url?.endsWith(`/${service}`), `${service}: ${url}`);
    }
  });

  it('registers the search attributes of the kit', () => {
    const registered = [...read('deploy/temporal/namespace.sh').matchAll(/^try attribute (\w+) (\w+)$/gm)];
    assert.deepEqual(Object.fromEntries(registered.map(([, name, type]) => [name, type])), searchAttributeTypes);
  });

  it('builds the worker on a pinned image', () => {
    const bases = [...read('Dockerfile').matchAll(/^FROM (\S+)/gm)].map(([, image]) => image);
    assert(bases.length > 0);
    for (const image of bases) assert.match(image ?? '', /:\d+\.\d+\.\d+-/);
  });
});

describe('the check of the compose file', () => {
  const refused: [string, string, (service: Broken) => void, string][] = [
    [
      'a key that the specification does not know',
      'worker',
      (s) => (s.bulid = '.'),
      'schema: /services/worker must NOT have additional properties: bulid',
    ],
    [
      'an image of the newest version',
      'temporal',
      (s) => (s.image = 'temporalio/server:latest'),
      'temporal: image temporalio/server:latest is not pinned: give a tag with at least a minor version',
    ],
    [
      'an image without a tag',
      'temporal',
      (s) => (s.image = 'temporalio/server'),
      'temporal: image temporalio/server is not pinned: give a tag with at least a minor version',
    ],
    [
      'an image of a major version',
      'shop-db',
      (s) => (s.image = 'postgres:18'),
      'shop-db: image postgres:18 is not pinned: give a tag with at least a minor version',
    ],
    [
      'a server without a healthcheck',
      'temporal-ui',
      (s) => delete s.healthcheck,
      `temporal-ui: no healthcheck: give one, or restart: 'no' if it ends by itself`,
    ],
    [
      'a healthcheck that is disabled',
      'temporal-ui',
      (s) => (s.healthcheck = { disable: true }),
      `temporal-ui: no healthcheck: give one, or restart: 'no' if it ends by itself`,
    ],
    [
      'a port for everyone',
      'temporal',
      (s) => (s.ports = ['7233:7233']),
      'temporal: port 7233:7233 is not bound to 127.0.0.1',
    ],
    [
      'a port for everyone, in the long form',
      'temporal',
      (s) => (s.ports = [{ target: 7233, published: '7233' }]),
      'temporal: port {"target":7233,"published":"7233"} is not bound to 127.0.0.1',
    ],
    [
      'a mounted file that is missing',
      'temporal',
      (s) => (s.volumes = ['./deploy/none.yml:/none.yml:ro']),
      'temporal: mounts ./deploy/none.yml, which is not in the repository',
    ],
    [
      'a file of the machine',
      'temporal',
      (s) => (s.volumes = ['/etc/hosts:/hosts:ro']),
      'temporal: mounts /etc/hosts, which is not in the repository',
    ],
    [
      'a volume that is not declared',
      'shop-db',
      (s) => (s.volumes = ['data:/var/lib/postgresql']),
      'shop-db: volume data is not declared',
    ],
    [
      'a dependency that is no service',
      'temporal-ui',
      (s) => (s.depends_on = ['temporla']),
      'temporal-ui: depends on temporla, which is no service',
    ],
    [
      'a wait for a health that nobody checks',
      'temporal-ui',
      (s) => (s.depends_on = { worker: { condition: 'service_healthy' } }),
      'temporal-ui: waits for the health of worker, which has no healthcheck',
    ],
    [
      'a wait for the end of a server',
      'temporal-ui',
      (s) => (s.depends_on = { temporal: { condition: 'service_completed_successfully' } }),
      'temporal-ui: waits for the end of temporal, which restarts',
    ],
    [
      'a worker whose server is no service',
      'worker',
      (s) => (s.environment = { DATABASE_URL: 'postgres://shop@elsewhere/orders' }),
      'worker: DATABASE_URL names the server elsewhere, which is no service',
    ],
  ];
  for (const [what, service, change, problem] of refused) {
    it(`refuses ${what}`, () => {
      assert.deepEqual(problemsWith(service, change), [problem]);
    });
  }

  it('refuses a shop database that prepares no transactions, once for each service that uses it', () => {
    const expected = [...serviceNames, 'operations'].map(
      (name) => `worker: DATABASE_URL_${name.toUpperCase()}: shop-db does not enable max_prepared_transactions`,
    );
    assert.deepEqual(
      problemsWith('shop-db', (s) => delete s.command),
      expected,
    );
    assert.deepEqual(
      problemsWith('shop-db', (s) => (s.command = ['postgres', '-c', 'max_prepared_transactions=0'])),
      expected,
    );
  });

  it('says in one line that a file is not YAML', () => {
    const problems = composeProblems('services: {', inRepository);
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? '', /^not YAML: /);
  });
});

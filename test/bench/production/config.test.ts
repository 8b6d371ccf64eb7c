import assert from 'node:assert/strict';
import { parse } from 'yaml';
import { configText, dynamicConfigText, services } from '../../../bench/production/config.js';
import { servicePorts } from '../../../bench/production/ports.js';

interface Datastore {
  readonly sql: Record<string, unknown>;
}

/** What the server reads of its configuration. */
interface Config {
  readonly persistence: { numHistoryShards: number; datastores: Record<'default' | 'visibility', Datastore> };
  readonly services: Record<string, { rpc: Record<string, unknown> }>;
  readonly clusterMetadata: { clusterInformation: { active: { rpcAddress: string } } };
  readonly dynamicConfigClient: { filepath: string };
}

describe("the production server's configuration", () => {
  it('has every service listen on 127.0.0.1 only, on its own ports, and the others find the frontend', async () => {
    const { services: configured, clusterMetadata } = await config();
    assert.deepEqual(Object.keys(configured), [...services]);
    assert.ok(Object.values(configured).every(({ rpc }) => rpc.bindOnIP === '127.0.0.1'));
    assert.equal(configured.frontend?.rpc.grpcPort, 7233);
    assert.equal(clusterMetadata.clusterInformation.active.rpcAddress, '127.0.0.1:7233');
    const ports = Object.values(configured).flatMap(({ rpc }) => [rpc.grpcPort, rpc.membershipPort]);
    assert.equal(new Set(ports).size, 8);
  });

  it('keeps histories and lists in a PostgreSQL database each, whatever its password holds', async () => {
    const { persistence } = await config();
    assert.equal(persistence.numHistoryShards, 4);
    for (const [name, database] of [
      ['default', 'temporal'],
      ['visibility', 'temporal_visibility'],
    ] as const) {
      const { sql } = persistence.datastores[name];
      assert.equal(sql.pluginName, 'postgres12');
      assert.equal(sql.databaseName, database);
      assert.equal(sql.connectAddr, '127.0.0.1:5433');
      assert.equal(sql.user, 'postgres');
      assert.equal(sql.password, `a"b'c:/{{#`);
    }
  });

  it('names the file of the settings that the development server has too: eager starts among them', async () => {
    assert.equal((await config()).dynamicConfigClient.filepath, '/state/dynamic.yaml');
    const settings = parse(dynamicConfigText()) as Record<string, unknown>;
    assert.deepEqual(settings['system.enableEagerWorkflowStart'], [{ value: true }]);
    assert.deepEqual(settings['history.transferProcessorMaxPollRPS'], [{ value: 200 }]);
  });
});

describe("the production server's ports", () => {
  it('are all different, and those that the server keeps in its tables fit there', async () => {
    const ports = await servicePorts(7233);
    const all = Object.values(ports).flatMap(({ grpc, membership }) => [grpc, membership]);
    assert.equal(new Set(all).size, 8);
    assert.equal(ports.frontend.grpc, 7233);
    for (const { membership } of Object.values(ports)) assert.ok(membership <= 32_767, String(membership));
  });
});

/** As a YAML reader reads it. */
async function config(): Promise<Config> {
  const server = `postgres://postgres:${encodeURIComponent(`a"b'c:/{{#`)}@127.0.0.1:5433`;
  return parse(
    configText({
      ports: await servicePorts(7233),
      store: `${server}/temporal`,
      visibility: `${server}/temporal_visibility`,
      dynamicConfigFile: '/state/dynamic.yaml',
    }),
  ) as Config;
}

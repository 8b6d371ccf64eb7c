import { join } from 'node:path';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import pg from 'pg';
import { serviceNames, type ShopDatabases } from '../../src/activities/index.js';
import { startServers } from '../../src/dev/servers.js';
import { pgDatabase } from '../../src/kit/database/index.js';
import { searchAttributeTypes } from '../../src/kit/workflow/index.js';
import { figure, markdownTable } from '../markdown.js';
import { say } from '../program.js';
import { pairedRatio, spread } from '../statistics.js';
import { measureSchemes, type Found } from './measure.js';
import type { SchemesOptions } from './options.js';
import { names, type SchemeName } from './schemes.js';

/** `npm run bench -- schemes`: see docs/choosing.md. Progress goes to stderr, the result to stdout. */

export async function benchSchemes(options: SchemesOptions): Promise<boolean> {
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  const servers = await startServers({
    state: join(process.env.BACKSTITCH_STATE ?? '.backstitch', 'bench'),
    fresh: true,
    databases: serviceNames,
    searchAttributes: searchAttributeTypes,
    onDeath: (report) => {
      say(report.message);
      process.exit(1);
    },
  });
  const pools: pg.Pool[] = [];
  try {
    const databaseUrls = Object.fromEntries(serviceNames.map((name) => [name, servers.databaseUrl(name)]));
    const settings = { databaseUrls, poolSize: 8, faults: undefined };
    const databases = Object.fromEntries(
      serviceNames.map((name) => {
        const pool = new pg.Pool({ connectionString: databaseUrls[name], max: 10 });
        pools.push(pool);
        return [name, pgDatabase(pool)];
      }),
    ) as ShopDatabases;
    print(await measureSchemes(servers.temporal, settings, databases, options, say), options);
    return true;
  } finally {
    await Promise.all(pools.map((pool) => pool.end()));
    await servers.stop();
  }
}

function print(found: Found, { json }: SchemesOptions): void {
  if (json) {
    console.log(JSON.stringify(found, null, 2));
    return;
  }
  const perSecond = (name: SchemeName) => found[name].flatMap((each) => each.perSecond ?? []);
  const rows = names.map((name) => {
    const ended = perSecond(name);
    const isMeasured = ended.length > 0;
    return [
      name,
      figure(spread(found[name].map(({ aloneMs }) => aloneMs)).median),
      figure(isMeasured ? spread(ended).median : null),
      figure(isMeasured ? pairedRatio(ended, perSecond('saga')).median : null),
    ];
  });
  const header = ['', 'one alone, p50 ms', 'a second', 'as the saga'];
  for (const line of markdownTable(header, rows)) console.log(line);
}

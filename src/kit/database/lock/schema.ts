import type { Migration } from '../migrate.js';

/**
 * The tables of leases and of fences: the one in the database where locks are kept, the other in that of what they protect; both in both,
 * as they may be the same. Apply them under the component `lock`.
 */
export const lockMigrations: readonly Migration[] = [
  {
    name: '001-lock',
    sql: `
create table backstitch.leases (
  resource text collate "C" primary key,
  -- Of the last one that took it: higher each time.
  token bigint not null,
  -- Who holds it; null: nobody.
  owner text,
  taken_at timestamptz not null,
  expires_at timestamptz not null
) with (fillfactor = 50);

-- The highest token that has written to a resource: a lower one may not any more.
create table backstitch.fences (
  resource text collate "C" primary key,
  token bigint not null,
  fenced_at timestamptz not null
) with (fillfactor = 50);`,
  },
];

import { belongs } from '../guard/belongs.js';
import type { Database } from '../sql.js';

/** What a database knows of decisions of persons about transactions, and of who has made their steps. */

/** A message of a transaction that a person has discarded. */
export interface Discarded {
  readonly id: string;
  readonly actor: string;
  readonly reason: string;
}

/** Who has made steps of a transaction here. */
export interface StepsBy {
  readonly gid: string;
  /** The workflow's run; null: it was none. */
  readonly runId: string | null;
}

const HAS = `
select to_regclass('backstitch.outbox_decisions') is not null as outbox, to_regclass('backstitch.guard') is not null as guard`;

const DISCARDED = `
select message->>'id' as id, actor, reason from backstitch.outbox_decisions
where action = 'discarded' and split_part(message->>'id', '/', 1) = any ($1) limit 1`;

/** As `participantActivities` names the driver of what a workflow calls. */
export const DRIVER = 'workflow:';
const STEPS = `
select distinct gid, case when starts_with(driver, '${DRIVER}') then substr(driver, ${DRIVER.length + 1}) end as "runId" from (
  select guard.gid, driver from backstitch.guard where gid = any ($1)
  union all
  select guard.gid, driver from unnest($1::text[]) as asked (gid) join backstitch.guard on ${belongs('guard.gid', 'asked.gid')}
) as steps`;

/** How long it may take with its connection, in milliseconds. */
const READ_MS = 10_000;

export async function decisionsHere(
  database: Pick<Database, 'run'>,
  gids: readonly string[],
): Promise<{ readonly discarded: readonly Discarded[]; readonly steps: readonly StepsBy[] }> {
  const [has] = await database.run<{ outbox: boolean; guard: boolean }>(HAS, [], READ_MS);
  return {
    discarded: has?.outbox ? await database.run<Discarded>(DISCARDED, [gids], READ_MS) : [],
    steps: has?.guard ? await database.run<StepsBy>(STEPS, [gids], READ_MS) : [],
  };
}

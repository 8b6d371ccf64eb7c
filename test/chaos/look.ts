import { setTimeout as delay } from 'node:timers/promises';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import pg from 'pg';
import type { FoundState } from '../../src/kit/client/index.js';
import { foundState } from '../../src/kit/client/list.js';
import type { Business, Place, Wanted } from './business/business.js';

/** What is found of the transactions when all is over: in Temporal, and in the databases. */
export interface Found {
  /** The state of each transaction, by gid; `none` if there is none. */
  readonly states: ReadonlyMap<string, FoundState | 'none'>;
  /** How far each has come in the databases. */
  readonly rows: ReadonlyMap<string, string>;
  /** Transactions that are still announced. */
  readonly announced: readonly string[];
  /** Where a fate in the database and a workflow's end are not the same: a line each. */
  readonly contradictions: readonly string[];
  /** What no run may leave behind, and what may never be: a line each. */
  readonly leftovers: readonly string[];
}

/** Between two looks at what has not come to its end, in milliseconds. */
const LOOK_MS = 500;

/** Looks; again, for as long as `signal` lets it, while a transaction has not come to its end. */
export async function look(
  business: Business,
  place: Place,
  wanted: readonly Wanted[],
  signal: AbortSignal,
): Promise<Found> {
  const gids = wanted.map(({ gid }) => gid);
  const workflows = new Map<string, FoundState | undefined>();
  for (;;) {
    const guards = await readGuards(business, place);
    for (const gid of gids) {
      const known = workflows.get(gid);
      if (known === undefined || isUnfinished(known)) workflows.set(gid, await workflowState(place.client, gid));
    }
    const ends = await business.ends?.(place, wanted);
    const states = new Map(
      gids.map((gid) => [gid, ends?.get(gid) ?? stateOf(guards.get(gid), workflows.get(gid))] as const),
    );
    const waiting =
      [...guards.values()].some(({ announced, fate }) => announced || isUnfinished(fate)) ||
      [...states.values()].some(isUnfinished);
    if (waiting && !signal.aborted) {
      await delay(LOOK_MS);
      continue;
    }
    return {
      states,
      rows: await business.rows(place, wanted),
      announced: gids.filter((gid) => guards.get(gid)?.announced),
      contradictions: gids.flatMap((gid) => {
        const [fate, ended] = [guards.get(gid)?.fate, workflows.get(gid)];
        if (fate === undefined || ended === undefined || fate === ended) return [];
        return [`${gid}: its fate is ${fate}, its workflow is ${ended}`];
      }),
      leftovers: [...(await business.leftovers(place)), ...(await business.always(place, wanted))],
    };
  }
}

/** What the guard of the first step tells of a transaction; its fate is unfinished while a group drives it. */
interface Guarded {
  readonly announced: boolean;
  readonly fate?: FoundState;
  readonly rejected: boolean;
}

const GUARDS = `
select gid, a.gid is not null as announced, replace(g.fate->>'state', 'undoing', 'compensating') as fate,
  coalesce(g.outcome = 'rejected', false) as rejected
from (select * from backstitch.guard where branch = $1 and phase = 1) g
full join backstitch.announcements a using (gid)`;

async function readGuards({ first }: Business, { databaseUrl }: Place): Promise<Map<string, Guarded>> {
  const guards = new Map<string, Guarded>();
  const places = first.flatMap(({ branch, services }) => services.map((service) => ({ branch, service })));
  for (const { branch, service } of places) {
    const database = new pg.Client({ connectionString: databaseUrl(service), connectionTimeoutMillis: 10_000 });
    await database.connect();
    try {
      type Row = { gid: string; announced: boolean; fate: FoundState | null; rejected: boolean };
      const { rows } = await database.query<Row>(GUARDS, [branch]);
      for (const { gid, announced, fate, rejected } of rows) {
        guards.set(gid, { announced, rejected, ...(fate !== null && { fate }) });
      }
    } finally {
      await database.end();
    }
  }
  return guards;
}

async function workflowState(client: Client, gid: string): Promise<FoundState | undefined> {
  try {
    return foundState(await client.workflow.getHandle(gid).describe());
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** Whoever drove it: its workflow, or the process that wrote its fate or was refused its first step. */
function stateOf(guarded: Guarded | undefined, workflow: FoundState | undefined): FoundState | 'none' {
  if (workflow !== undefined) return workflow;
  if (guarded?.fate !== undefined) return guarded.fate;
  if (guarded?.announced) return 'running';
  return guarded?.rejected ? 'compensated' : 'none';
}

function isUnfinished(state: FoundState | 'none' | undefined): boolean {
  return state === 'running' || state === 'compensating';
}

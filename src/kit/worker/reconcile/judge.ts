import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { foundState } from '../../client/list.js';
import { inFlight } from '../../database/reconcile/flight.js';
import type { Drift, Look, Pair } from '../../database/reconcile/pair.js';
import type { Database } from '../../database/sql.js';
import { MOST_FINDINGS, type Finding, type Judged } from '../../workflow/reconcile/reconcile.js';
import { ofServer } from '../limited.js';
import { ENDED_FROM_OUTSIDE, hasEndedItself } from '../settle.js';

/**
 * The second look. The pair reads all about its keys afresh; of what has drifted it is asked after that whether a transaction is on its
 * way. In this sequence: one that was changing what was read either still runs, or has left steps that are young. So nothing waits.
 */

export interface Judging {
  readonly client: Client;
  readonly databases: readonly Pick<Database, 'run'>[];
  /** For how long after its last step a transaction is in flight, in milliseconds. Default: 5 minutes */
  readonly youngMs: number | undefined;
  readonly signal: AbortSignal;
}

const YOUNG_MS = 5 * 60_000;
/** Keys that are looked at together, and workflows that are asked of at a time. */
const BATCH = 200;
const ASKED = 10;

export const NOTHING_JUDGED: Judged = { findings: [], drift: {}, agreed: 0, inFlight: 0 };

/** Both, with no more findings than a pair has. */
export function together(one: Judged, other: Judged): Judged {
  const drift = { ...one.drift };
  for (const [name, count] of Object.entries(other.drift)) drift[name] = (drift[name] ?? 0) + count;
  return {
    findings: [...one.findings, ...other.findings].slice(0, MOST_FINDINGS.pair),
    drift,
    agreed: one.agreed + other.agreed,
    inFlight: one.inFlight + other.inFlight,
  };
}

/** Looks at keys again. */
export async function judgeKeys(pair: Pair, keys: readonly string[], judging: Judging): Promise<Judged> {
  let judged = NOTHING_JUDGED;
  for (let from = 0; from < keys.length; from += BATCH) {
    judging.signal.throwIfAborted();
    judged = together(judged, await judgeBatch(pair, keys.slice(from, from + BATCH), judging));
  }
  return judged;
}

async function judgeBatch(pair: Pair, keys: readonly string[], judging: Judging): Promise<Judged> {
  const { client } = judging;
  const drifts = await pair.judge(keys, lookOf(client));
  const drifted = new Set(drifts.map(({ key }) => key));
  const agreed = keys.length - drifted.size;
  if (drifts.length === 0) return { ...NOTHING_JUDGED, agreed };
  const flying = await flightOf(pair, drifted, judging);
  const found = drifts.filter(({ key }) => !flying.has(key));
  const drift: Record<string, number> = {};
  for (const { class: name } of found) drift[name] = (drift[name] ?? 0) + 1;
  return {
    findings: found.slice(0, MOST_FINDINGS.pair).map((each) => findingOf(pair, each)),
    drift,
    agreed,
    inFlight: flying.size,
  };
}

function findingOf({ name, classes }: Pair, { class: drift, key, detail, unsafe }: Drift): Finding {
  const { repair } = classes[drift] ?? {};
  const about = { pair: name, class: drift, key, detail };
  if (repair === undefined) return { ...about, state: 'told' };
  if (unsafe !== undefined) return { ...about, state: 'told', note: unsafe };
  return { ...about, state: 'repairable', note: repair.what };
}

export function lookOf(client: Client): Look {
  return {
    async statesOf(gids) {
      const found = await describedOf(client, gids);
      return new Map([...found].map(([gid, { state }]) => [gid, state]));
    },
  };
}

/**
 * Which of these keys have a transaction that is on its way. The server is asked only of those that no database knows to be; and then the
 * databases once more, as one may have done its last step and ended since they were asked.
 */
async function flightOf(
  pair: Pair,
  keys: ReadonlySet<string>,
  { client, databases, youngMs = YOUNG_MS }: Judging,
): Promise<Set<string>> {
  const flying = new Set<string>();
  const ask = async (look: (gids: readonly string[]) => Promise<(gid: string) => boolean>) => {
    const rest = [...keys].filter((key) => !flying.has(key));
    const gids = [...new Set(rest.flatMap((key) => pair.gidsOf(key)))];
    if (gids.length === 0) return;
    const isFlying = await look(gids);
    for (const key of rest) if (pair.gidsOf(key).some(isFlying)) flying.add(key);
  };
  const inDatabases = async (gids: readonly string[]) => {
    const found = await Promise.all(databases.map((database) => inFlight(database, gids, youngMs)));
    return (gid: string) => found.some((each) => each.has(gid));
  };
  await ask(inDatabases);
  await ask(async (gids) => {
    const found = await describedOf(client, gids);
    return (gid) => found.get(gid)?.isRunning === true;
  });
  await ask(inDatabases);
  return flying;
}

interface Described {
  readonly state: string;
  /** Runs, waits for a person, or was ended from outside: then the scan has it settled. */
  readonly isRunning: boolean;
}

/** The newest runs of workflows, as the server itself knows them; those that it does not know are left out. */
async function describedOf(client: Client, gids: readonly string[]): Promise<Map<string, Described>> {
  const found = new Map<string, Described>();
  const waiting = [...gids];
  const lane = async () => {
    for (let gid = waiting.pop(); gid !== undefined; gid = waiting.pop()) {
      try {
        const info = await ofServer(client.workflow.getHandle(gid).describe());
        const isCut = ENDED_FROM_OUTSIDE.includes(info.status.name) && !hasEndedItself(info);
        found.set(gid, { state: foundState(info), isRunning: info.status.name === 'RUNNING' || isCut });
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: ASKED }, lane));
  return found;
}

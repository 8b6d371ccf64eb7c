import { type Client, type WorkflowExecutionDescription, WorkflowNotFoundError } from '@temporalio/client';
import { foundState } from '../../client/list.js';
import { MACHINES_ASKED, sagasUnderWay } from '../../client/log/runs.js';
import { inFlight, waitingOf } from '../../database/reconcile/flight.js';
import type { Drift, Look, Pair } from '../../database/reconcile/pair.js';
import type { Database } from '../../database/sql.js';
import { TX_SCHEME, TX_STATE } from '../../workflow/attributes.js';
import { findingId, foremost, type Finding, type Judged } from '../../workflow/reconcile/reconcile.js';
import { ofServer } from '../limited.js';
import { ENDED_FROM_OUTSIDE, hasEndedItself } from '../settle.js';
import { caseOf, listedCases, type CaseState } from './cases.js';
import { decidedAbout, UNREAD, type DecidedIn } from './decided.js';

/**
 * The second look. The pair reads all about its keys afresh; of what has drifted it is asked after that whether a transaction is on its
 * way. In this sequence: one that was changing what was read either still runs, or has left steps that are young. So nothing waits.
 */

export interface Judging extends DecidedIn {
  /** For how long after its last step a transaction is in flight, in milliseconds. Default: 5 minutes */
  readonly youngMs: number | undefined;
  readonly signal: AbortSignal;
  /** A person asks, who has the case: who else has any does not matter then, nor what nobody knows any more. Default: no */
  readonly asked?: boolean;
}

const YOUNG_MS = 5 * 60_000;
/** Keys that are looked at together, and workflows that are asked of at a time. */
const BATCH = 200;
const ASKED = 10;

export const NOTHING_JUDGED: Judged = { findings: [], drift: {}, agreed: 0, inFlight: 0, left: 0 };

/** Both, with no more findings than a pair has. */
export function together(one: Judged, other: Judged): Judged {
  const drift = { ...one.drift };
  for (const [name, count] of Object.entries(other.drift)) drift[name] = (drift[name] ?? 0) + count;
  return {
    findings: foremost([...one.findings, ...other.findings]),
    drift,
    agreed: one.agreed + other.agreed,
    inFlight: one.inFlight + other.inFlight,
    left: (one.left ?? 0) + (other.left ?? 0),
  };
}

/** Looks at keys again. */
export async function judgeKeys(pair: Pair, keys: readonly string[], judging: Judging): Promise<Judged> {
  let judged = NOTHING_JUDGED;
  // Read once, and only where there is anything to look up.
  let cases: ReturnType<typeof listedCases> | undefined;
  const casesOf = () => (cases ??= listedCases(judging.client, Object.keys(pair.classes)));
  for (let from = 0; from < keys.length; from += BATCH) {
    judging.signal.throwIfAborted();
    judged = together(judged, await judgeBatch(pair, keys.slice(from, from + BATCH), judging, casesOf));
  }
  return judged;
}

async function judgeBatch(
  pair: Pair,
  keys: readonly string[],
  judging: Judging,
  casesOf: () => ReturnType<typeof listedCases>,
): Promise<Judged> {
  const drifts = await pair.judge(keys, lookOf(judging.client));
  const drifted = new Set(drifts.map(({ key }) => key));
  const agreed = keys.length - drifted.size;
  if (drifts.length === 0) return { ...NOTHING_JUDGED, agreed };
  const flying = await flightOf(pair, drifted, judging);
  const found = drifts.filter(({ key }) => !flying.has(key));
  const drift: Record<string, number> = {};
  for (const { class: name } of found) drift[name] = (drift[name] ?? 0) + 1;
  const cases = judging.asked === true || found.length === 0 ? undefined : await casesOf();
  const findings = found.map((each) => findingOf(pair, each, cases?.get(findingId(each))));
  return {
    findings: foremost(findings),
    drift,
    agreed,
    inFlight: flying.size,
    left: findings.filter(({ state }) => state === 'left').length,
  };
}

function findingOf(
  { name, classes }: Pair,
  { class: drift, key, detail, unsafe }: Drift,
  state: CaseState | undefined,
): Finding {
  const { repair } = classes[drift] ?? {};
  const about = { pair: name, class: drift, key, detail };
  // A person has it, or has left it: whatever a program could do is not its to do.
  if (state !== undefined) return { ...about, state };
  if (repair === undefined) return { ...about, state: 'told' };
  if (unsafe !== undefined) return { ...about, state: 'told', note: unsafe };
  return { ...about, state: 'repairable', note: repair.what };
}

/** The same, but for what persons have settled, at the desk of its transactions or its own: that is not repaired. */
export async function withoutSettled<T extends Judged>(pair: Pair, judged: T, judging: Judging): Promise<T> {
  const findings: Finding[] = [];
  let left = judged.left ?? 0;
  for (const finding of judged.findings) {
    judging.signal.throwIfAborted();
    const settled = finding.state === 'repairable' ? await settledAs(pair, finding, judging) : undefined;
    if (settled?.state === 'left') left += 1;
    findings.push(settled ?? finding);
  }
  return { ...judged, findings, left };
}

/**
 * A finding that is no program's to repair, as that is: a person has it, or has left it, or has decided something of the key's transactions,
 * or may have. Nothing, where it can be repaired.
 */
export async function settledAs(pair: Pair, finding: Finding, judging: Judging): Promise<Finding | undefined> {
  const held = judging.asked === true ? 'none' : await caseOf(finding, judging);
  if (held === 'unread') return { ...finding, note: UNREAD };
  if (held !== 'none') return { ...finding, state: held };
  const byHand = await pair.settled?.(finding.key);
  if (byHand !== undefined) return { ...finding, state: 'told', note: byHand };
  const sends = pair.classes[finding.class]?.repair?.sends === true;
  const decided = await decidedAbout(judging, pair.gidsOf(finding.key), { sends });
  if (decided === undefined || (decided.isGuess === true && judging.asked === true)) return undefined;
  // It may be repaired yet, and is nobody's until that is known.
  return { ...finding, ...(decided.isUnread !== true && { state: 'told' }), note: decided.why };
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
export async function flightOf(
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
  const inDatabases = async (find: (database: Pick<Database, 'run'>) => Promise<ReadonlyMap<string, string>>) => {
    const found = await Promise.all(databases.map(find));
    return (gid: string) => found.some((each) => each.has(gid));
  };
  const young = (gids: readonly string[]) => inDatabases((database) => inFlight(database, gids, youngMs));
  await ask(young);
  // Once, as it reads all that waits: what is added after this was added by a step that is young.
  await ask((gids) => inDatabases((database) => waitingOf(database, gids)));
  await ask(async (gids) => {
    // A saga of a machine outlives it where that was told that it is done.
    const sagas: string[] = [];
    for (let from = 0; from < gids.length; from += MACHINES_ASKED)
      sagas.push(...(await ofServer(sagasUnderWay(client, gids.slice(from, from + MACHINES_ASKED)))));
    const found = await describedOf(client, [...gids, ...sagas]);
    const running = [...found].flatMap(([id, { isRunning }]) => (isRunning ? [id] : []));
    return (gid) => running.some((id) => id === gid || id.startsWith(`${gid}.`));
  });
  await ask(young);
  return flying;
}

interface Described {
  readonly state: string;
  /**
   * Runs, waits for a person, or was ended from outside: then the scan has it settled. Of a state machine, which runs for weeks: it has
   * begun something that has not ended.
   */
  readonly isRunning: boolean;
}

function isUnderWay({ status, typedSearchAttributes, raw }: WorkflowExecutionDescription): boolean {
  if (status.name !== 'RUNNING') return false;
  if (typedSearchAttributes.get(TX_SCHEME) !== 'machine' || typedSearchAttributes.get(TX_STATE) === undefined)
    return true;
  return (raw.pendingChildren ?? []).length + (raw.pendingActivities ?? []).length > 0;
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
        found.set(gid, { state: foundState(info), isRunning: isUnderWay(info) || isCut });
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: ASKED }, lane));
  return found;
}

import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { SCAN_DRIVER } from '../database/guard/rows.js';
import { listInDoubt, proofOf, type InDoubt } from '../database/prepared/in-doubt.js';
import { messageOf } from '../database/message.js';
import { createPrepared } from '../database/prepared/prepared.js';
import type { Database } from '../database/sql.js';
import { NoAnswer } from '../database/within.js';
import { TX_SCHEME, TX_STATE } from '../workflow/attributes.js';
import { agentId } from '../workflow/three-phase/protocol.js';
import type { Operation } from '../workflow/branch.js';
import type { InDoubtReport, ScanOrder, ScanReport } from '../workflow/scan.js';
import { TRANSACTION_QUERY, type TransactionView } from '../workflow/view.js';
import { limited, ofServer, type Limited } from './limited.js';
import { ENDED_FROM_OUTSIDE, settle } from './settle.js';

/**
 * Prepared transactions that were not ended for a while: each holds locks, and holds back vacuum in every database of its
 * server. Their coordinators end them; here is what is done about those whose coordinator does not.
 *
 * | its coordinator                     | what is done                                                                          |
 * | ----------------------------------- | ------------------------------------------------------------------------------------- |
 * | runs                                | nothing: it asks again, or a person has it at the desk                                |
 * | was ended from outside              | it is settled: the run that does that commits all if that was decided, and else none  |
 * | has ended by itself                 | what it decided of this branch; nothing, where a person left it or ended it            |
 * | is not known, or is another scheme's | what the participants' databases prove, if it is young; else nothing                  |
 * | is an agent of a three-phase commit  | nothing: nobody else may decide; an alarm tells if that takes too long                 |
 *
 * That a coordinator is not known proves nothing: it may be in another namespace, or its history is gone. It may have decided to
 * commit, and other branches may be committed. So a rollback needs a proof that this was never decided, nor can be: a branch
 * that was refused, or barred, as all have to vote yes before. And where a branch is committed, all are to be. Without either
 * it stays prepared, and an alarm tells: it is a person's to find out. So is whatever is not young: its coordinator may have left it to a
 * person, who has done by hand what was due, and its history may be gone since.
 */

export interface InDoubtWatch {
  readonly client: Client;
  /** The participants' databases by their names. */
  readonly databases: Readonly<Record<string, Database>>;
  /** Who does it, for the guard's rows. */
  readonly who: string;
  /** Called between any two things that may take long: together they may take longer than the scan may go without a sign of life. */
  readonly beat: () => void;
  readonly signal: AbortSignal;
  /** Told what could not be looked at, or not be ended: the next scan tries again. */
  readonly onFailure: (what: string, message: string) => void;
}

/** What becomes of one. */
type Standing = { readonly end: 'commit' | 'rollback' } | { readonly leave: string };

const DEFAULT_ALARM_MS = 10 * 60_000;
/** Up to what age what the databases prove counts, in milliseconds: no namespace forgets a workflow within a day of its end. */
const PROVEN_MS = 12 * 3_600_000;
/** How long the end of one may take, and with the waits for its connections; milliseconds. */
const TIMEOUT_MS = 10_000;
const IN_ALL_MS = 15_000;

/** What was found in doubt, and where nobody could look. */
export interface InDoubtFound extends InDoubtReport {
  readonly unread: ScanReport['unread'];
}

/**
 * Ends what can be ended of the two-phase commits that are in doubt, and tells of what is old, three-phase commits too.
 *
 * A database that cannot be read is told, and keeps nothing from the others; but what only it could prove is left.
 */
export async function endInDoubt(
  { inDoubtMs, inDoubtAlarmMs = DEFAULT_ALARM_MS }: Pick<ScanOrder, 'inDoubtMs' | 'inDoubtAlarmMs'>,
  watch: InDoubtWatch,
): Promise<InDoubtFound> {
  const { databases, onFailure, beat, signal } = watch;
  const participants = new Map(Object.entries(databases).map(([name, database]) => [name, limited(name, database)]));
  const ended: InDoubtReport['ended'][number][] = [];
  const old: InDoubtReport['old'][number][] = [];
  // What a coordinator is like is asked once.
  const coordinators = new Map<string, Promise<Coordinator>>();
  const silent = new Set<string>();
  const coordinatorOf = (gid: string) => {
    const known = coordinators.get(gid) ?? lookUp(gid, watch, { participants, silent });
    coordinators.set(gid, known);
    return known;
  };

  // All at once: those that are silent take no longer together than one does.
  const found = await Promise.all(
    [...participants].map(async ([participant, database]) => {
      const those = await listInDoubt(database, { olderThanMs: inDoubtMs }).catch((): InDoubt[] => []);
      return { participant, database, those };
    }),
  );
  for (const { participant, database, those } of found) {
    beat();
    for (const each of those) {
      signal.throwIfAborted();
      const { gid, branch, since, ageMs } = each;
      const left = await endOne(each, database, coordinatorOf, watch).catch((error: unknown) => {
        const message = messageOf(error);
        onFailure(`${gid}/${branch}`, message);
        return { leave: message };
      });
      if ('end' in left) ended.push({ gid, branch, end: left.end });
      else if (ageMs >= inDoubtAlarmMs) old.push({ gid, branch, since, message: `at ${participant}: ${left.leave}` });
      beat();
    }
  }
  const unread = [...participants].flatMap(([participant, { failure }]) => {
    const message = failure();
    if (message === undefined) return [];
    onFailure(participant, message);
    return [{ participant, message }];
  });
  return { ended, old, unread };
}

async function endOne(
  each: InDoubt,
  participant: Limited,
  coordinatorOf: (gid: string) => Promise<Coordinator>,
  { client, who, beat, signal }: InDoubtWatch,
): Promise<Standing> {
  const { gid, branch, scheme } = each;
  if (scheme === '3pc') return { leave: await agentOf(each, client) };
  const standing = (await coordinatorOf(gid))(each);
  beat();
  if ('leave' in standing) return standing;
  const { end } = standing;
  const operation: Operation = {
    ...{ gid, branch, scheme, op: end, seq: 0, function: `backstitch.scan.${end}`, driver: SCAN_DRIVER, who },
    ...{ attempt: 1, timeoutMs: TIMEOUT_MS, signal },
    // What is prepared is ended, whatever it was asked with.
    corrected: true,
  };
  await participant.ask(IN_ALL_MS, (database) => createPrepared({ database })[end](operation, null));
  return standing;
}

/**
 * Why a branch of a three-phase commit is left as it is: it is its agent who decides, and nobody else may. What the scan can do for
 * the agent it does elsewhere.
 */
async function agentOf({ gid, branch }: InDoubt, client: Client): Promise<string> {
  try {
    const { status } = await ofServer(client.workflow.getHandle(agentId(gid, branch)).describe());
    if (status.name === 'RUNNING') return 'its agent runs, and has not ended it';
    if (ENDED_FROM_OUTSIDE.includes(status.name)) return 'its agent was ended from outside, and is settled by the scan';
    return 'its agent has ended, and it is still prepared: a person left it, or its database was restored: end it by hand';
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    return 'no agent of it is known: find out what became of its other branches, then end it by hand';
  }
}

/** Says what is to become of a branch. */
type Coordinator = (branch: Pick<InDoubt, 'branch' | 'ageMs'>) => Standing;

/** Whom one look for what is in doubt can ask, besides the server. */
interface Askable {
  readonly participants: ReadonlyMap<string, Limited>;
  /** Task queues where a query was not answered: each further one would wait as long. */
  readonly silent: Set<string>;
}

async function lookUp(
  gid: string,
  { client, beat }: InDoubtWatch,
  { participants, silent }: Askable,
): Promise<Coordinator> {
  const handle = client.workflow.getHandle(gid);
  const newest = await ofServer(handle.describe()).catch((error: unknown) => {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  });
  beat();
  if (newest?.typedSearchAttributes.get(TX_SCHEME) !== '2pc') {
    const standing = await provenBy([...participants.values()], gid);
    return ({ ageMs }) => (ageMs < PROVEN_MS || 'leave' in standing ? standing : NOT_YOUNG);
  }
  const status = newest.status.name;
  if (status === 'RUNNING') return () => ({ leave: 'its coordinator runs, and has not ended it' });
  const state = newest.typedSearchAttributes.get(TX_STATE);
  const hasEnded = status === 'COMPLETED' || (status === 'FAILED' && (state === 'compensated' || state === 'failed'));
  if (!hasEnded) {
    if (ENDED_FROM_OUTSIDE.includes(status)) {
      await ofServer(settle(client, { workflowId: gid, runId: newest.runId }));
    }
    return () => ({ leave: 'its coordinator was ended from outside, and is being settled' });
  }
  const { taskQueue } = newest;
  const untold = (why: string) => () => ({
    leave: `its coordinator has ended, and cannot be asked what it decided (${why}): does a worker serve task queue '${taskQueue}'?`,
  });
  if (silent.has(taskQueue)) return untold('no worker there has answered another one');
  try {
    // A query of a run that has ended replays its history, for which a worker is needed.
    const asked = client.workflow.getHandle(gid, newest.runId).query<TransactionView>(TRANSACTION_QUERY);
    const view = await ofServer(asked);
    return ({ branch }) => decidedBy(view, branch);
  } catch (error) {
    if (error instanceof NoAnswer) silent.add(taskQueue);
    return untold(messageOf(error));
  }
}

function decidedBy({ state, branches }: TransactionView, name: string): Standing {
  const { second, failure } = branches.find(({ branch }) => branch === name) ?? {};
  if (second?.state === 'resolved' || second?.state === 'skipped') {
    return { leave: `its coordinator has ended, and a person has decided about its ${second.op}: end it by hand` };
  }
  if (second?.op === 'commit' || second?.op === 'rollback') return { end: second.op };
  if (failure?.type === 'InputMismatch') {
    return {
      leave: `its coordinator has ended, ${state}, and found it prepared with another input: whose it is nobody knows`,
    };
  }
  // One that never voted, as far as its coordinator knew.
  return state === 'compensated'
    ? { end: 'rollback' }
    : { leave: `its coordinator has ended, ${state}, and knows nothing of this branch` };
}

const NOT_YOUNG: Standing = {
  leave: `no coordinator of it is known, which may have left it to a person ${PROVEN_MS / 3_600_000} h ago or more: find out what became of its other branches and whether somebody has made it good, then end it by hand`,
};

async function provenBy(databases: readonly Limited[], gid: string): Promise<Standing> {
  // Each that cannot be asked could prove the contrary.
  const proofs = new Set(await Promise.all(databases.map((database) => proofOf(database, gid))));
  proofs.delete(undefined);
  const [end] = proofs;
  if (end !== undefined && proofs.size === 1) return { end };
  const why = end === undefined ? 'and no database proves what it decided' : 'and the databases prove both';
  return {
    leave: `no coordinator of it is known, ${why}: find out what became of its other branches, then end it by hand`,
  };
}

import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { decidedBy } from '../database/decided.js';
import { DECISION_MS, groupsOf, type Groups } from '../database/group/groups.js';
import { functionsOf, type ParticipantFunction, type ParticipantImplementation } from '../direct/participants.js';
import type { Operation } from '../workflow/branch.js';
import {
  TURN_ACTIVITY,
  turnKey,
  type Turn,
  type TurnAnswer,
  type TurnAsk,
  type TurnResult,
} from '../workflow/group.js';
import { participantOf } from '../workflow/participant.js';
import type { ParticipantDatabases } from './adopt.js';

/** Options of {@link groupActivities}. */
export interface GroupActivitiesOptions {
  readonly participants: Readonly<Record<string, ParticipantImplementation>>;
  /** Each participant's database: the one that its guard writes to. */
  readonly databases: ParticipantDatabases;
  /** Who does the work, for the guard's rows: usually the worker's identity. */
  readonly who: string;
}

/** The answers to one turn may take so much, in bytes; who has no room in it leaves the group. */
const TURN_BYTES = 400_000;
/** Between two attempts of a call, in milliseconds. */
const BACKOFF_MS = 50;
/** With less time than that no further attempt is begun, in milliseconds. */
const LEAST_MS = 200;

const UNCALLED: TurnAnswer = {
  ...{ how: 'unknown', type: 'NoDatabase', uncalled: true },
  message: 'it comes first, and this worker was not given a database of its participant',
};

type Ask<Kind extends TurnAsk['kind']> = Extract<TurnAsk, { kind: Kind }>;

/**
 * The activity that carries what the members of a group ask for. Each call is an operation of a participant like every other,
 * with its guard; it is tried a few times within its limit. What fails or takes longer is unknown, and keeps the others
 * from nothing.
 */
export function groupActivities({ participants, databases, who }: GroupActivitiesOptions) {
  const functions = functionsOf(participants);
  const groups = new Map<string, Groups>();
  for (const [participant, database] of Object.entries(databases)) groups.set(participant, groupsOf(database));
  return {
    [TURN_ACTIVITY]: async ({ transaction, asks }: Turn): Promise<TurnResult> => {
      const { cancellationSignal: signal } = Context.current();
      // Each call listens; Node takes more than ten listeners for a leak.
      setMaxListeners(0, signal);
      const ends = endsOf(asks, groups);
      const answers = await Promise.all(
        asks.map((ask) => {
          switch (ask.kind) {
            case 'call':
              if (ask.opens !== undefined && !groups.has(participantOf(ask.function))) return Promise.resolve(UNCALLED);
              return call(ask, { work: functions.get(ask.function), transaction, who, signal });
            case 'undo':
              return decide(ask, async () => groupAt(groups, ask.home).undo(ask));
            case 'end':
              return decide(ask, async () => (await ends.get(ask.home))?.has(ask.gid) === true);
          }
        }),
      );
      return { ...withinBytes(answers), of: turnKey(asks) };
    },
  };
}

interface Calling {
  readonly work: ParticipantFunction | undefined;
  readonly transaction: string;
  readonly who: string;
  readonly signal: AbortSignal;
}

/** Calls an operation until it is decided, or its time or its attempts are over. */
async function call(ask: Ask<'call'>, { work, transaction, who, signal }: Calling): Promise<TurnAnswer> {
  const { branch, driver, function: name, args, opens, limitMs, attempts } = ask;
  if (work === undefined) return { how: 'unknown', type: 'NoFunction', message: `this worker has no ${name}` };
  const until = performance.now() + limitMs;
  for (let attempt = 1; ; attempt++) {
    const row = { opened: false, again: false };
    const timeoutMs = until - performance.now();
    const over = new AbortController();
    const stop = () => {
      over.abort(signal.reason);
    };
    signal.addEventListener('abort', stop);
    const operation: Operation = {
      ...{ ...branch, function: name, driver, who, attempt, timeoutMs },
      signal: over.signal,
      ...(opens && {
        opening: {
          transaction,
          inputHash: opens.inputHash,
          written: (when: 'now' | 'before') => {
            row.opened = true;
            row.again = when === 'before';
          },
        },
      }),
    };
    try {
      const result = await within(timeoutMs, work(operation, ...args));
      return { how: 'done', result, ...(row.opened && { opened: true }), ...(row.again && { again: true }) };
    } catch (error) {
      // What gave no answer in time may still be at it.
      stop();
      const message = error instanceof Error ? error.message : String(error);
      const decision = error instanceof Error ? decidedBy(error, branch.op) : undefined;
      if (decision !== undefined) {
        // A row that was written before the work refused went with it.
        const opened = row.opened && decision.detail.backstitch !== 'rejected';
        return { how: 'decided', ...decision, message, ...(opened && { opened: true }) };
      }
      const isLast = attempt >= attempts || until - performance.now() < LEAST_MS + BACKOFF_MS * attempt;
      if (isLast || signal.aborted)
        return { how: 'unknown', type: error instanceof Error ? error.name : 'Error', message };
    } finally {
      signal.removeEventListener('abort', stop);
    }
    await sleep(BACKOFF_MS * attempt);
  }
}

/** The ends of a turn, a database at a time: the gids that have ended. */
function endsOf(asks: readonly TurnAsk[], groups: ReadonlyMap<string, Groups>) {
  const byHome = new Map<string, Ask<'end'>[]>();
  for (const ask of asks) {
    if (ask.kind !== 'end') continue;
    const before = byHome.get(ask.home);
    if (before === undefined) byHome.set(ask.home, [ask]);
    else before.push(ask);
  }
  const ends = new Map<string, Promise<ReadonlySet<string>>>();
  for (const [home, members] of byHome) {
    const rows = members.map(({ gid, branch, driver, from, fate }) => ({ gid, branch, driver, from, fate }));
    const end = async () => groupAt(groups, home).end(rows);
    ends.set(home, end());
  }
  return ends;
}

async function decide({ driver }: TurnAsk, won: () => Promise<boolean>): Promise<TurnAnswer> {
  try {
    return { how: (await within(DECISION_MS, won())) ? 'won' : 'lost' };
  } catch (error) {
    return { how: 'unknown', type: 'NotDecided', message: `${driver}: ${String(error)}` };
  }
}

function groupAt(groups: ReadonlyMap<string, Groups>, home: string): Groups {
  const at = groups.get(home);
  if (at === undefined)
    throw new Error(`this worker was not given the database of '${home}': give it in groupActivities`);
  return at;
}

/** Leaves out what has no room, or is no JSON: it happened, or not, and whoever asks again hears it. */
function withinBytes(answers: readonly TurnAnswer[]): TurnResult {
  let bytes = 0;
  const kept = answers.map((answer): TurnAnswer => {
    let size: number;
    try {
      size = Buffer.byteLength(JSON.stringify(answer));
    } catch (error) {
      return { how: 'unknown', type: 'NotJson', message: `JSON does not carry its answer: ${String(error)}` };
    }
    if (bytes + size > TURN_BYTES) return { how: 'unknown', type: 'TooLong', message: `an answer of ${size} bytes` };
    bytes += size;
    return answer;
  });
  return { answers: kept, bytes };
}

/** @throws Error when there is no answer in time */
function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`no answer within ${Math.round(ms)} ms`));
    }, ms);
    answer.then(resolve, reject).finally(() => {
      clearTimeout(timer);
    });
  });
}

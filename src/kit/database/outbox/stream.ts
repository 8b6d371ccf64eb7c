import type { Content } from '../../messages/message.js';
import { textToLog } from '../guard/json.js';
import type { Database, Sql } from '../sql.js';
import { sqlStateOf } from '../sqlstate.js';
import { makeDays, NO_PARTITION } from './archive.js';
import * as statements from './stream-statements.js';
import type { Outbox, Stream } from './outbox.js';

/** What a relay asks and tells of its stream. No statement takes longer than {@link STATEMENT_MS}. */
export interface StreamStore {
  /** Makes `owner` the one who delivers. @returns its epoch: who has an older one is to end */
  takeOver(owner: string): Promise<string>;
  /**
   * Whose it is, in how many milliseconds the next lane is due (below 0: it is; undefined: there is none), and whether there is something
   * to be told.
   */
  tend(): Promise<{
    readonly epoch: string | undefined;
    readonly dueInMs: number | undefined;
    readonly isUntold: boolean;
  }>;
  /** The first so many messages. */
  poll(limit: number, how?: PollOptions): Promise<Polled[]>;
  /** Lanes that are due, but for these: so many, each with so many messages from its first, and so many bytes. Default: any */
  due(except: readonly string[], lanes: number, messages: number, bytes?: number): Promise<Lane[]>;
  /** These were delivered. */
  delivered(seqs: readonly number[]): Promise<void>;
  /** These wait behind the lanes of their keys. */
  park(seqs: readonly number[]): Promise<void>;
  /** This could not be delivered: it begins a lane, with those of its key that were held up behind it. */
  parkFailed(seq: number, failure: Failure, behind: readonly number[]): Promise<void>;
  /** Of this lane these were delivered, and then perhaps one could not be. */
  drained(lane: Lane, seqs: readonly number[], failed?: Failure & { readonly seq: number }): Promise<void>;
  /** What is to be told of lanes and was not: so many. */
  untold(most: number): Promise<Untold[]>;
  /** It was told. */
  told(untold: Pick<Untold, 'lane' | 'state'>): Promise<void>;
}

/** What of the stream's front is read. */
export interface PollOptions {
  /** Nothing of these keys. */
  readonly except?: readonly string[];
  /** Of these keys and numbers no payloads: they cannot go now. */
  readonly known?: { readonly keys: readonly string[]; readonly seqs: readonly number[] };
  /** Payloads of so many bytes, and of one key of so many: behind what fills it up none is read. Default: any */
  readonly bytes?: { readonly all: number; readonly key: number };
}

/** A message that is to be delivered. */
export interface Waiting extends Content {
  /** The number of the last message of its key that was delivered, if the stream is linked. */
  readonly after?: number;
}

/** A message of the stream's order. */
export interface Polled extends Waiting {
  /** Whether its key is a lane: it has to wait behind that. */
  readonly isHeld: boolean;
  /** Whether its payload was read: otherwise it does not go before the next look. */
  readonly isRead: boolean;
  /** Of its payload, about. */
  readonly bytes: number;
}

/** What waits out of the stream's order. */
export interface Lane {
  readonly name: string;
  /** How often its first message was tried. */
  readonly attempts: number;
  /** How long ago that failed first, in milliseconds; undefined: it has not been tried since it is the first. */
  readonly failedForMs: number | undefined;
  /** Its first messages, in order: one at least. */
  readonly messages: readonly Waiting[];
}

/** Why a message was not delivered. */
export interface Failure {
  readonly error: string;
  /** When it is tried again, in milliseconds from now; undefined: it is a dead letter. */
  readonly againInMs: number | undefined;
  /** It is tried on though its window is over: that is to be told, once. */
  readonly isLate: boolean;
}

/** What is to be told of a lane's first message. Times are milliseconds since 1970. */
export interface Untold {
  readonly lane: string;
  /** Which of its troubles it is: the lane may be in another when this one was told. */
  readonly state: string;
  /** `dead-letter`: it was given up; `late`: it is tried on though its window is over. */
  readonly kind: 'dead-letter' | 'late';
  readonly message: Pick<Waiting, 'id' | 'topic' | 'key' | 'seq'>;
  readonly error: string;
  /** Since when it fails. */
  readonly since: number;
  /** When it was given up, or was late. */
  readonly at: number;
}

/** The longest that a statement of a relay may take, in milliseconds. */
const STATEMENT_MS = 10_000;
/** No limit of bytes. */
const ANY = Number.MAX_SAFE_INTEGER;
const ANY_BYTES = { all: ANY, key: ANY } as const;
const NONE = { keys: [], seqs: [] } as const;
/** An error's text is kept up to so many characters. */
const ERROR_LENGTH = 2_000;

interface Row {
  readonly seq: string;
  readonly id: string;
  readonly topic: string;
  readonly key: string | null;
  readonly payload: string | null;
  readonly addedAt: number;
  readonly after: string | null;
}

/**
 * A stream of an outbox.
 *
 * @param isLinked whether a message is told what came before it: what has a queue of its own behind it needs that
 */
export function streamStore(
  database: Database,
  outbox: Pick<Outbox, 'name' | 'keepDays'>,
  { name: stream }: Pick<Stream, 'name'>,
  { isLinked = false }: { readonly isLinked?: boolean } = {},
): StreamStore {
  const ways = { isKept: outbox.keepDays > 0, isLinked };
  const removed = statements.removed(ways);
  const drained = statements.drained(ways);
  const run = <R extends object>(text: string, values: readonly unknown[]) =>
    database.run<R>(text, values, STATEMENT_MS);
  /** A day that has no table yet gets one: its relay was not there to make it ahead. */
  const kept = async (work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      if (!ways.isKept || sqlStateOf(error) !== NO_PARTITION) throw error;
      await makeDays(database, outbox.keepDays);
      await work();
    }
  };
  const waiting = ({ seq, id, topic, key, payload, addedAt, after }: Row): Waiting => ({
    id,
    topic,
    ...(key !== null && { key }),
    payload: payload === null ? undefined : (JSON.parse(payload) as unknown),
    source: outbox.name,
    seq: Number(seq),
    ...(after !== null && { after: Number(after) }),
    addedAt: Math.floor(addedAt),
  });
  return {
    async takeOver(owner) {
      const [row] = await run<{ epoch: string }>(statements.takeOver, [stream, textToLog(owner)]);
      return row?.epoch ?? '';
    },
    async tend() {
      type TendRow = { epoch: string | null; due: number | null; isUntold: boolean };
      const [row] = await run<TendRow>(statements.tend, [stream]);
      return { epoch: row?.epoch ?? undefined, dueInMs: row?.due ?? undefined, isUntold: row?.isUntold === true };
    },
    async poll(limit, { except = [], known: { keys, seqs } = NONE, bytes = ANY_BYTES } = {}) {
      type PolledRow = Row & Pick<Polled, 'isRead' | 'bytes'> & { held: boolean };
      const values = [stream, limit, isLinked, except, keys, seqs, bytes.all, bytes.key];
      const rows = await run<PolledRow>(statements.poll, values);
      return rows.map((row) => ({ ...waiting(row), isHeld: row.held, isRead: row.isRead, bytes: row.bytes }));
    },
    async due(except, lanes, messages, bytes = ANY) {
      type DueRow = Row & { lane: string; attempts: number; failedForMs: number | null };
      const rows = await run<DueRow>(statements.due(messages), [stream, except, lanes, isLinked, bytes]);
      const found = new Map<string, Lane & { messages: Waiting[] }>();
      for (const row of rows) {
        const { lane: name, attempts, failedForMs } = row;
        const lane = found.get(name) ?? { name, attempts, failedForMs: failedForMs ?? undefined, messages: [] };
        lane.messages.push(waiting(row));
        found.set(name, lane);
      }
      return [...found.values()];
    },
    async delivered(seqs) {
      await kept(() => run(removed, [stream, seqs]));
    },
    async park(seqs) {
      await run(statements.park, [stream, seqs]);
    },
    async parkFailed(seq, { error, againInMs }, behind) {
      await run(statements.parkFailed, [stream, seq, againInMs ?? null, errorText(error), behind]);
    },
    async drained({ name: lane, messages: [first] }, seqs, failed) {
      const drain = async (sql: Sql) => {
        await sql(statements.lockLane, [stream, lane]);
        if (seqs.length > 0) await sql(drained, [stream, lane, seqs]);
        if (failed === undefined) {
          await sql(statements.goOn, [stream, lane]);
          return;
        }
        const { seq, error, againInMs, isLate } = failed;
        const isOther = seq !== first?.seq;
        await sql(statements.failedAgain, [stream, lane, seq, againInMs ?? null, errorText(error), isOther, isLate]);
      };
      await kept(() => database.transaction(drain, STATEMENT_MS));
    },
    async untold(most) {
      type UntoldRow = Omit<Untold, 'kind' | 'message'> & { isDead: boolean; seq: string } & Pick<
          Row,
          'id' | 'topic' | 'key'
        >;
      const rows = await run<UntoldRow>(statements.untold, [stream, most]);
      return rows.map(({ isDead, since, at, seq, id, topic, key, ...row }): Untold => ({
        ...row,
        kind: isDead ? 'dead-letter' : 'late',
        message: { seq: Number(seq), id, topic, ...(key !== null && { key }) },
        since: Math.floor(since),
        at: Math.floor(at),
      }));
    },
    async told({ lane, state }) {
      await run(statements.told, [stream, lane, state]);
    },
  };
}

function errorText(error: string): string {
  return textToLog(error.length > ERROR_LENGTH ? `${error.slice(0, ERROR_LENGTH)}…` : error);
}

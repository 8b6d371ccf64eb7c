import { randomUUID } from 'node:crypto';
import { type Client, WorkflowFailedError } from '@temporalio/client';
import { TX_STATE } from '../workflow/attributes.js';
import { GROUP_STATE, type GroupMember, type GroupResult, type MemberOutcome } from '../workflow/group.js';
import type { SagaOptions } from '../workflow/saga/definition.js';
import { wrongSagaOption } from '../workflow/saga/options.js';
import { GidConflict, NotStarted, TransactionPending } from './errors.js';
import { outcomeOf } from './outcome.js';
import { TimeIsOver, within } from './race.js';
import { ask, explained } from './server.js';

/** How calls in the lane `grouped` are gathered into groups. */
export interface GroupOptions {
  /** Transactions of a group at most, 1 to 200. Default: 25 */
  readonly size?: number;
  /** How long a group waits for more after its first, in milliseconds. Default: 10 */
  readonly delayMs?: number;
  /** What the inputs of a group take at most, in bytes; a larger one has a group of its own. Default: 128,000 */
  readonly bytes?: number;
  /** Groups under way at a time, each for 30 s at most; further ones wait. Default: 8 */
  readonly atATime?: number;
  /** Transactions that may wait for a group to begin; a further call is refused. Default: 10,000 */
  readonly waiting?: number;
}

/** Where groups are started. */
export interface GroupsAt {
  readonly client: Client;
  readonly taskQueue: string;
  readonly eagerStart: boolean | undefined;
}

/** A transaction on its way in a group. */
export interface Joined {
  /**
   * Waits until its group was started. If the turn of that has not come by `until`, in milliseconds since 1970, it is taken
   * out, unless another caller has asked for it too: then it stays.
   *
   * @throws NotStarted if it was taken out, TransactionPending if it stays; else what keeps the group from being started
   */
  started(until: number): Promise<void>;
  readonly outcome: Promise<MemberOutcome>;
}

/** A transaction in a group that is gathered. */
interface Entry {
  readonly member: GroupMember;
  /** When it was asked for, by `performance.now()`. */
  readonly since: number;
  readonly transaction: string;
  readonly group: Group;
  /** In bytes. */
  readonly size: number;
  /** Callers that wait for it, or were told that it goes on. */
  callers: number;
  readonly started: Promise<void>;
  readonly outcome: Promise<MemberOutcome>;
  readonly onStarted: () => void;
  readonly onOutcome: (outcome: MemberOutcome) => void;
  readonly onError: (error: unknown) => void;
}

interface Group {
  readonly transaction: string;
  readonly overrides: SagaOptions | undefined;
  readonly entries: Entry[];
  bytes: number;
  timer: NodeJS.Timeout | undefined;
  /** Whether the server was asked to start it. */
  isAsked: boolean;
}

const DEFAULTS: Required<GroupOptions> = { size: 25, delayMs: 10, bytes: 128_000, atATime: 8, waiting: 10_000 };

/** Each option's least and greatest number; one payload of a workflow carries 2 MB. */
const RANGES: Readonly<Record<keyof GroupOptions, readonly [number, number]>> = {
  size: [1, 200],
  delayMs: [0, 60_000],
  bytes: [1, 1_000_000],
  atATime: [1, Number.MAX_SAFE_INTEGER],
  waiting: [1, Number.MAX_SAFE_INTEGER],
};

/** So long a group counts as under way, in milliseconds: one whose member's database is away keeps the others from nothing. */
const PLACE_MS = 30_000;

/** The options with their defaults. @throws TypeError for one that makes no sense */
function optionsOf(given: GroupOptions): Required<GroupOptions> {
  const options = { ...DEFAULTS };
  for (const name of Object.keys(RANGES) as (keyof GroupOptions)[]) {
    const value = given[name] ?? DEFAULTS[name];
    const [least, greatest] = RANGES[name];
    if (!Number.isSafeInteger(value) || value < least || value > greatest) {
      const to = greatest === Number.MAX_SAFE_INTEGER ? '' : ` to ${greatest}`;
      throw new TypeError(`groups.${name} is ${String(value)}: give a whole number from ${least}${to}`);
    }
    options[name] = value;
  }
  return options;
}

/**
 * Gathers calls of one transaction with equal options into groups, each of which is one workflow.
 *
 * A gid that is under way here is not sent twice: its second caller gets the outcome of the first.
 */
export class Groups {
  readonly #at: GroupsAt;
  readonly #options: Required<GroupOptions>;
  readonly #placeMs: number;
  /** Groups that are gathered, by what their members share. */
  readonly #gathering = new Map<string, Group>();
  /** Groups that are complete, and wait. */
  readonly #ready: Group[] = [];
  /** What is under way, by gid. */
  readonly #entries = new Map<string, Entry>();
  /** Groups that have a place: those under way, but for those that take long. */
  #running = 0;
  #waiting = 0;

  constructor(at: GroupsAt, options: GroupOptions = {}, placeMs = PLACE_MS) {
    this.#at = at;
    this.#options = optionsOf(options);
    this.#placeMs = placeMs;
  }

  /**
   * Lets a transaction join the next group.
   *
   * @throws GidConflict if another one is under way here with its gid; TypeError for options that make no sense; NotStarted
   * when too many wait
   */
  join(transaction: string, overrides: SagaOptions | undefined, member: GroupMember): Joined {
    const { gid, inputHash } = member;
    const same = this.#entries.get(gid);
    if (same !== undefined) {
      if (same.transaction !== transaction) throw new GidConflict(gid, `as a run of '${same.transaction}'`);
      if (same.member.inputHash !== inputHash) throw new GidConflict(gid, 'with other content');
      return this.#joined(same);
    }
    const wrong = wrongSagaOption(overrides ?? {});
    if (wrong !== undefined) throw new TypeError(wrong);
    if (this.#waiting >= this.#options.waiting) {
      throw new NotStarted(gid, `${this.#waiting} transactions wait for a group already`);
    }
    const size = Buffer.byteLength(JSON.stringify(member));
    const key = JSON.stringify([transaction, overrides]);
    let group = this.#gathering.get(key);
    if (group !== undefined && group.bytes + size > this.#options.bytes) {
      this.#complete(key, group);
      group = undefined;
    }
    if (group === undefined) {
      const begun: Group = { transaction, overrides, entries: [], bytes: 0, timer: undefined, isAsked: false };
      const complete = () => {
        this.#complete(key, begun);
      };
      begun.timer = setTimeout(complete, this.#options.delayMs);
      this.#gathering.set(key, begun);
      group = begun;
    }
    const entry = entryOf(group, member, size);
    group.entries.push(entry);
    group.bytes += size;
    this.#waiting++;
    this.#entries.set(gid, entry);
    if (group.entries.length >= this.#options.size) this.#complete(key, group);
    return this.#joined(entry);
  }

  #joined(entry: Entry): Joined {
    entry.callers++;
    const started = async (until: number): Promise<void> => {
      try {
        await within(entry.started, until);
      } catch (error) {
        if (!(error instanceof TimeIsOver)) throw error;
        // Only the server knows, and it answers, or does not, in limited time.
        if (entry.group.isAsked) return entry.started;
        const { gid } = entry.member;
        const why = 'it still waited for a group of this process when its time was over';
        if (this.#giveUp(entry)) throw new NotStarted(gid, why);
        const { taskQueue } = this.#at;
        throw new TransactionPending({ gid, state: 'running', taskQueue, cause: new Error(why) });
      }
    };
    return { started, outcome: entry.outcome };
  }

  /** A caller waits no longer for what was not started. @returns whether it was taken out: it is not for one of several callers */
  #giveUp(entry: Entry): boolean {
    if (entry.callers > 1) return false;
    const { group, member, size } = entry;
    group.entries.splice(group.entries.indexOf(entry), 1);
    group.bytes -= size;
    this.#waiting--;
    this.#entries.delete(member.gid);
    const at = this.#ready.indexOf(group);
    if (at >= 0 && group.entries.length === 0) this.#ready.splice(at, 1);
    return true;
  }

  #complete(key: string, group: Group): void {
    clearTimeout(group.timer);
    this.#gathering.delete(key);
    if (group.entries.length > 0) this.#ready.push(group);
    this.#next();
  }

  #next(): void {
    while (this.#running < this.#options.atATime) {
      const group = this.#ready.shift();
      if (group === undefined) return;
      group.isAsked = true;
      this.#running++;
      this.#waiting -= group.entries.length;
      let hasPlace = true;
      const leavePlace = () => {
        if (!hasPlace) return;
        hasPlace = false;
        this.#running--;
        this.#next();
      };
      const long = setTimeout(leavePlace, this.#placeMs);
      void this.#run(group).finally(() => {
        clearTimeout(long);
        for (const { member } of group.entries) this.#entries.delete(member.gid);
        leavePlace();
      });
    }
  }

  /** Runs a group to its end. Never throws: its members' callers hear what went wrong. */
  async #run({ transaction, overrides, entries }: Group): Promise<void> {
    const { client, taskQueue, eagerStart } = this.#at;
    const members = entries.map(({ member, since }) => ({
      ...member,
      waitedMs: Math.round(performance.now() - since),
    }));
    const workflowId = `${transaction}-group-${randomUUID()}`;
    try {
      const handle = await ask(client, () =>
        client.workflow.start(transaction, {
          workflowId,
          taskQueue,
          args: [null, { ...overrides, group: { members } }],
          requestEagerStart: eagerStart,
          staticSummary: `${members.length} × ${transaction}: ${members[0]?.gid ?? ''}, …`,
          typedSearchAttributes: [{ key: TX_STATE, value: GROUP_STATE }],
        }),
      );
      for (const { onStarted } of entries) onStarted();
      // As long as it takes: who waits for a member may end that wait.
      const result = (await handle.result()) as GroupResult;
      entries.forEach(({ onOutcome, onError, member }, index) => {
        const outcome = result.members[index];
        if (outcome === undefined) onError(new Error(`the group ${workflowId} has no outcome of ${member.gid}`));
        else onOutcome(outcome);
      });
    } catch (error) {
      for (const { onError, member } of entries) {
        onError(error instanceof WorkflowFailedError ? outcomeOf(member.gid, error) : explained(client, error));
      }
    }
  }
}

function entryOf(group: Group, member: GroupMember, size: number): Entry {
  let onStarted: () => void = () => undefined;
  let onOutcome: Entry['onOutcome'] = () => undefined;
  const failing: ((error: unknown) => void)[] = [];
  const started = new Promise<void>((resolve, reject) => {
    onStarted = resolve;
    failing.push(reject);
  });
  const outcome = new Promise<MemberOutcome>((resolve, reject) => {
    onOutcome = resolve;
    failing.push(reject);
  });
  // Whoever asks for them hears of it.
  started.catch(() => undefined);
  outcome.catch(() => undefined);
  const onError = (error: unknown) => {
    for (const fail of failing) fail(error);
  };
  const { transaction } = group;
  const since = performance.now();
  return { transaction, group, member, since, size, callers: 0, started, outcome, onStarted, onOutcome, onError };
}

import { randomUUID } from 'node:crypto';
import { type Client, WorkflowFailedError } from '@temporalio/client';
import { TX_STATE } from '../workflow/attributes.js';
import { GROUP_STATE, type GroupMember, type GroupResult, type MemberOutcome } from '../workflow/group.js';
import type { SagaOptions } from '../workflow/saga/definition.js';
import { wrongSagaOption } from '../workflow/saga/options.js';
import { GidConflict } from './errors.js';
import { outcomeOf } from './outcome.js';
import { ask, explained } from './server.js';

/** How calls in the lane `grouped` are gathered into groups. */
export interface GroupOptions {
  /** Transactions of a group at most, 1 to 200. Default: 25 */
  readonly size?: number;
  /** How long a group waits for more after its first, in milliseconds. Default: 10 */
  readonly delayMs?: number;
  /** What the inputs of a group take at most, in bytes; a larger one has a group of its own. Default: 128,000 */
  readonly bytes?: number;
  /** Groups under way at a time; further ones wait. Default: 8 */
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
  /** Resolves when its group was started. */
  readonly started: Promise<void>;
  readonly outcome: Promise<MemberOutcome>;
}

/** A transaction in a group that is gathered. */
interface Entry extends Joined {
  readonly member: GroupMember;
  readonly transaction: string;
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
}

const LONGEST_SIZE = 200;

/**
 * Gathers calls of one transaction with equal options into groups, each of which is one workflow.
 *
 * A gid that is under way here is not sent twice: its second caller gets the outcome of the first.
 */
export class Groups {
  readonly #at: GroupsAt;
  readonly #options: Required<GroupOptions>;
  /** Groups that are gathered, by what their members share. */
  readonly #gathering = new Map<string, Group>();
  /** Groups that are complete, and wait. */
  readonly #ready: Group[] = [];
  /** What is under way, by gid. */
  readonly #entries = new Map<string, Entry>();
  #running = 0;
  #waiting = 0;

  constructor(at: GroupsAt, options: GroupOptions = {}) {
    this.#at = at;
    this.#options = { size: 25, delayMs: 10, bytes: 128_000, atATime: 8, waiting: 10_000, ...options };
    const { size } = this.#options;
    if (!Number.isSafeInteger(size) || size < 1 || size > LONGEST_SIZE) {
      throw new TypeError(`groups.size is ${size}: give a whole number from 1 to ${LONGEST_SIZE}`);
    }
  }

  /**
   * Lets a transaction join the next group.
   *
   * @throws GidConflict if another one is under way here with its gid; TypeError for options that make no sense; Error when
   * too many wait
   */
  join(transaction: string, overrides: SagaOptions | undefined, member: GroupMember): Joined {
    const { gid, inputHash } = member;
    const same = this.#entries.get(gid);
    if (same !== undefined) {
      if (same.transaction !== transaction) throw new GidConflict(gid, `as a run of '${same.transaction}'`);
      if (same.member.inputHash !== inputHash) throw new GidConflict(gid, 'with other content');
      return same;
    }
    const wrong = wrongSagaOption(overrides ?? {});
    if (wrong !== undefined) throw new TypeError(wrong);
    if (this.#waiting >= this.#options.waiting) {
      throw new Error(`${gid} was not started: ${this.#waiting} transactions wait for a group already`);
    }
    const entry = entryOf(transaction, member);
    const size = Buffer.byteLength(JSON.stringify(member));
    const key = JSON.stringify([transaction, overrides]);
    let group = this.#gathering.get(key);
    if (group !== undefined && group.bytes + size > this.#options.bytes) {
      this.#complete(key, group);
      group = undefined;
    }
    if (group === undefined) {
      const begun: Group = { transaction, overrides, entries: [], bytes: 0, timer: undefined };
      const complete = () => {
        this.#complete(key, begun);
      };
      begun.timer = setTimeout(complete, this.#options.delayMs);
      this.#gathering.set(key, begun);
      group = begun;
    }
    group.entries.push(entry);
    group.bytes += size;
    this.#waiting++;
    this.#entries.set(gid, entry);
    if (group.entries.length >= this.#options.size) this.#complete(key, group);
    return entry;
  }

  #complete(key: string, group: Group): void {
    clearTimeout(group.timer);
    this.#gathering.delete(key);
    this.#ready.push(group);
    this.#next();
  }

  #next(): void {
    while (this.#running < this.#options.atATime) {
      const group = this.#ready.shift();
      if (group === undefined) return;
      this.#running++;
      this.#waiting -= group.entries.length;
      void this.#run(group).finally(() => {
        this.#running--;
        for (const { member } of group.entries) this.#entries.delete(member.gid);
        this.#next();
      });
    }
  }

  /** Runs a group to its end. Never throws: its members' callers hear what went wrong. */
  async #run({ transaction, overrides, entries }: Group): Promise<void> {
    const { client, taskQueue, eagerStart } = this.#at;
    const members = entries.map(({ member }) => member);
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

function entryOf(transaction: string, member: GroupMember): Entry {
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
  return { transaction, member, started, outcome, onStarted, onOutcome, onError };
}

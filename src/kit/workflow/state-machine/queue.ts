import { ApplicationFailure } from '@temporalio/common';
import type { Came } from './carried.js';
import type { EffectOrder, EventAnswer, EventOrder, Refusal } from './protocol.js';

/** Where an event comes from. */
export type Via = 'update' | 'message' | 'deadline';

/** An event that waits for its turn, or has it. */
export interface Turn {
  readonly via: Via;
  readonly order: EventOrder;
  /** When it came, in milliseconds since 1970. */
  readonly at: number;
  /** With a message: its id. */
  readonly messageId?: string;
  /** With a message: as it came. */
  readonly given?: Came;
  readonly waiters: { readonly resolve: (answer: EventAnswer) => void; readonly reject: (why: Error) => void }[];
  /** The saga of it runs, and a run before has started it: it is waited for. */
  readonly resumes?: EffectOrder;
  /** Told when it came to nothing, if nobody waits for it. */
  readonly refused?: (why: { readonly type: string; readonly message: string }) => void;
}

/** So many messages wait for each place that updates have: a signal cannot be refused. */
const MESSAGES_A_PLACE = 20;

/** The events of a machine, one after the other. */
export class Turns {
  readonly #most: number;
  readonly #waiting: Turn[] = [];

  /** @param most updates that may wait */
  constructor(most: number) {
    this.#most = most;
  }

  get length(): number {
    return this.#waiting.length;
  }

  get first(): Turn | undefined {
    return this.#waiting[0];
  }

  isFullFor(via: Via): boolean {
    const count = this.#waiting.filter((turn) => turn.via === via).length;
    return count >= this.mostOf(via);
  }

  /** How many may wait. */
  mostOf(via: Via): number {
    return via === 'message' ? this.#most * MESSAGES_A_PLACE : this.#most;
  }

  push(turn: Turn): void {
    this.#waiting.push(turn);
  }

  take(): Turn | undefined {
    return this.#waiting.shift();
  }

  /** The turn of the same request, if one waits. */
  find(order: EventOrder): Turn | undefined {
    return this.#waiting.find((turn) => isSame(turn, order));
  }

  /**
   * Whoever waits for a turn is told why it takes long. The turns of updates are given up, as nothing of them has begun; but for those
   * that go on with what a run before has begun.
   */
  giveUp(why: (turn: Turn) => Error): void {
    for (const turn of this.#waiting.filter(({ via, resumes }) => via === 'update' && resumes === undefined)) {
      this.#waiting.splice(this.#waiting.indexOf(turn), 1);
      tell(turn, why(turn));
    }
  }
}

/** Whether an order is the one of a turn. */
export function isSame({ via, order }: Turn, { event, requestId }: EventOrder): boolean {
  return via === 'update' && order.event === event && order.requestId === requestId;
}

/** Joins a turn: resolves and rejects as it ends. */
export function join(turn: Turn): Promise<EventAnswer> {
  return new Promise((resolve, reject) => {
    turn.waiters.push({ resolve, reject });
  });
}

/** Tells all who wait for a turn; nobody waits any more then. */
export function tell(turn: Turn, end: EventAnswer | Error): void {
  for (const { resolve, reject } of turn.waiters.splice(0)) {
    if (end instanceof Error) reject(end);
    else resolve(end);
  }
}

/** A refusal, as whoever sent the event gets it. */
export function refusal(type: string, message: string, details: Refusal, cause?: Error): ApplicationFailure {
  return ApplicationFailure.create({ type, message, nonRetryable: true, details: [details], cause });
}

import type { Probe } from './guard.js';

/**
 * What a participant gives the guard's second mode: how the other side is asked, and what it promises.
 */

/** What a request travels with. */
export interface Sending {
  /**
   * The same for every attempt of an operation, and for no other: the idempotency key, or the reference under which it
   * can be looked up. 43 characters of `A-Z a-z 0-9 - _`.
   */
  readonly key: string;
  /** Aborted when nobody waits for the answer any more: the time is over, or the driver has given up. */
  readonly signal: AbortSignal;
}

/** How the other side is asked. */
export interface OutboundRequest<Args extends readonly unknown[], Result> {
  /**
   * Sends it, once. What it resolves to is the result.
   *
   * @throws {@link Rejection} for a definite no: only for what the other side would answer again to the same key. Whatever
   * else is thrown (no answer, "in progress", too many requests, a server's error) says nothing, and it is sent again
   */
  send(sending: Sending, ...args: Args): Promise<Result>;
  /**
   * Asks whether it happened, where it cannot be sent again: without keys, or when its key is too old.
   *
   * @returns its result; `undefined` if it is not there
   * @throws {@link Rejection} if it is there, and was refused for good
   */
  lookUp?(sending: Sending, ...args: Args): Promise<{ readonly result: Result } | undefined>;
}

/** Options of {@link createOutbound}. */
export interface OutboundOptions {
  /** Whether the other side does nothing twice under one key, and answers the same again. Default: yes. */
  readonly keys?: boolean;
  /**
   * For how long the other side remembers a key, in milliseconds, less what a message may be on its way. An older intent
   * is not sent again. Default: {@link KEY_LIFETIME_MS}.
   */
  readonly keyLifetimeMs?: number;
  /**
   * After how long nothing that was sent can still have an effect, or be missing when it is looked up, in milliseconds
   * since the sending ended. Default: never; then a `lookUp` that finds nothing decides nothing.
   */
  readonly quietMs?: number;
  /** Goes into every key: for two systems whose gids may be equal, and that send to one account. Default: nothing. */
  readonly keyScope?: string;
  /** Dotted paths of the input that are stored as `***`. The hash is over the whole input. */
  readonly mask?: readonly string[];
  /** As the guard's. `working`: the intent is committed, nothing sent; `worked`: the answer is there, and not stored. */
  readonly probe?: Probe;
}

/** 23 hours: an hour less than what is usual, such as at Stripe. */
export const KEY_LIFETIME_MS = 23 * 3_600_000;

/** The share of an attempt's time in which an answer must come: the rest is for storing it. */
export const SENDING_SHARE = 0.8;

/** A request whose types the caller has checked. */
export type AnyRequest = OutboundRequest<never[], unknown>;

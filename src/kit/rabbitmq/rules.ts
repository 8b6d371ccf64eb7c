/** How a consumer handles a queue. */
export interface ConsumerRules {
  /**
   * How many messages it has in its hands that are not acknowledged. While more than half of them wait to be tried again it takes more,
   * so that those of other keys can be handled: ten times as many at most. Default: 100
   */
  readonly prefetch: number;
  /** How many deliveries to its sink run at once. Default: as many as `prefetch`; 4 where the sink takes many at once */
  readonly concurrency: number;
  /** How many messages go to the sink at once. Default: 50; 1 where the sink takes them one by one */
  readonly batch: number;
  /** How long a delivery to the sink may take, in milliseconds. Default: 60,000 */
  readonly handleMs: number;
  /** The pause after the first failure, in milliseconds; it doubles with each. Default: 1,000 */
  readonly firstRetryMs: number;
  /** The longest pause, in milliseconds. Default: 60,000 */
  readonly mostRetryMs: number;
  /**
   * How long a message is tried, in milliseconds, before it becomes a dead letter. It is held all the while, so it must be shorter than
   * the broker's limit (`consumer_timeout`, 30 minutes by default). Default: 10 minutes
   */
  readonly windowMs: number;
  /** Where dead letters go; they must be routed to a queue. Default: the default exchange, to the queue of the same name with `.dead` */
  readonly deadLetters: { readonly exchange: string; readonly routingKey: string };
}

/** The rules that were given, and the others by default. @throws a RangeError that names what is wrong */
export function rulesOf(given: Partial<ConsumerRules> & { readonly queue: string }, takesMany: boolean): ConsumerRules {
  const { prefetch = 100 } = given;
  const rules = {
    prefetch,
    concurrency: given.concurrency ?? (takesMany ? 4 : prefetch),
    batch: takesMany ? (given.batch ?? 50) : 1,
    handleMs: given.handleMs ?? 60_000,
    firstRetryMs: given.firstRetryMs ?? 1_000,
    mostRetryMs: given.mostRetryMs ?? 60_000,
    windowMs: given.windowMs ?? 600_000,
  };
  for (const [name, value] of Object.entries(rules)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new RangeError(
        `${name} of the consumer of '${given.queue}' is ${value}: it must be a whole number, 1 at least`,
      );
    }
  }
  // The protocol has sixteen bits for it, and 0 stands for no limit.
  if (prefetch > 65_535)
    throw new RangeError(`prefetch of the consumer of '${given.queue}' is ${prefetch}: at most 65535`);
  return { ...rules, deadLetters: given.deadLetters ?? { exchange: '', routingKey: `${given.queue}.dead` } };
}

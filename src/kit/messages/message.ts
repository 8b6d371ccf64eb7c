/**
 * Messages: what a service tells others, from its outbox, a transactional message or a broker to the inbox of whoever handles
 * it. Pure: every room may know them.
 */

/** A message on its way. It travels as JSON, and may come more than once: always with the same {@link id}. */
export interface Message<Payload = unknown> {
  /** What makes it one message, however often it comes: 1 to 200 characters. */
  readonly id: string;
  /** What it is about, such as `order.completed`: 1 to 200 characters. */
  readonly topic: string;
  /**
   * Messages of one key reach a subscriber in the order in which their transactions were committed; those of different keys, and
   * those without one, in any order. 1 to 200 characters.
   */
  readonly key?: string;
  readonly payload: Payload;
  /** Where it comes from: the name of its outbox, such as `orders`. */
  readonly source: string;
  /** Its number in its source: of the messages of one key a later one has a higher number. */
  readonly seq: number;
  /**
   * The number of the message of the same key that was delivered before it: what handles messages in order waits for that.
   * Absent: there was none that is remembered, or it has no key. It is higher than the message's own number where others have gone
   * past it: it was delayed, or is sent again by a person.
   */
  readonly after?: number;
  /** When it was added, by its source's clock, in milliseconds since 1970. */
  readonly addedAt: number;
  /**
   * Which delivery this is, as far as the source knows: 1 for the first. One that a person sends again has a higher number than all
   * before it: whoever has refused those looks at it anew.
   */
  readonly attempt: number;
}

/** What stays the same whenever a message is delivered. */
export type Content = Omit<Message, 'attempt' | 'after'>;

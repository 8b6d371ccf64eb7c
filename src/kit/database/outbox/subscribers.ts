/** Who gets what: each subscriber by name (1 to 60 of a-z, 0-9, `-` and `_`), with the topics that it takes, or `'*'` for all. */
export type Subscribers = Readonly<Record<string, '*' | readonly string[]>>;

/** What a subscriber's messages of one partition are kept under: several outboxes may share a database. */
export function streamName(outbox: string, subscriber: string, partition: number): string {
  return `${outboxPrefix(outbox)}${subscriber}/${partition}`;
}

/** What the names of an outbox's streams begin with. */
export function outboxPrefix(outbox: string): string {
  return `${outbox}/`;
}

/** Whose a stream is; a text that is no stream's name has empty parts. */
export function partsOf(stream: string): { readonly outbox: string; readonly subscriber: string } {
  const [outbox = '', subscriber = ''] = stream.split('/');
  return { outbox, subscriber };
}

/**
 * Who takes a topic.
 *
 * @throws a RangeError for names that cannot be; the function that is returned a TypeError for a topic that nobody takes: it is
 * more likely misspelled than meant for nobody
 */
export function subscribersOf(outbox: string, subscribers: Subscribers): (topic: string) => readonly string[] {
  const names = Object.keys(subscribers);
  if (names.length === 0) throw new RangeError(`the outbox '${outbox}' has no subscribers: name one at least`);
  for (const name of names) {
    if (/^[a-z0-9_-]{1,60}$/.test(name)) continue;
    throw new RangeError(`a subscriber of the outbox '${outbox}' is '${name}': give 1 to 60 of a-z, 0-9, - and _`);
  }
  return (topic) => {
    const takers = names.filter((name) => subscribers[name] === '*' || subscribers[name]?.includes(topic));
    if (takers.length > 0) return takers;
    throw new TypeError(
      `nobody takes the topic '${topic}' of the outbox '${outbox}': name it at one of its subscribers (${names.join(', ')})`,
    );
  };
}

/** What a workflow that gets messages by signals remembers of them. Pure: it goes with the workflow when it continues as new. */
export interface SeenMessages {
  /** Ids, the oldest first. */
  readonly ids: string[];
}

/** So many ids are remembered where nothing else is said. */
const MOST = 10_000;

/**
 * Whether a message comes for the first time, and remembers it. A relay delivers again what it has not noted as delivered, within
 * seconds as a rule; a workflow that is kept for long remembers the last of them.
 *
 * @param seen kept by the workflow, and carried over when it continues as new
 * @param most ids that are remembered: the oldest is forgotten then. Default: 10,000
 *
 * @example
 * ```ts
 * setHandler(arrived, (message) => {
 *   if (firstTime(seen, message.id)) queue.push(message);
 * });
 * ```
 */
export function firstTime(seen: SeenMessages, id: string, most = MOST): boolean {
  if (seen.ids.includes(id)) return false;
  seen.ids.push(id);
  if (seen.ids.length > most) seen.ids.splice(0, seen.ids.length - most);
  return true;
}

/**
 * A value as it was at one moment, whatever its owner does with the object since: an undo gets the input and the result
 * of its action, not what the body made of them. JSON text, as that is how a value travels to a participant anyway; it
 * is read again only if there is something to undo.
 */
export type Kept = string | undefined;

/** @throws TypeError for what JSON does not carry: a BigInt, a circle */
export function keep(value: unknown): Kept {
  return JSON.stringify(value);
}

export function recall(kept: Kept): unknown {
  return kept === undefined ? undefined : JSON.parse(kept);
}

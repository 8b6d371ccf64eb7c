/** Half of a surrogate pair, or a zero character: neither JSON nor a database carries them. */
// eslint-disable-next-line no-control-regex -- that is what is looked for
const NO_TEXT = /[\u0000\ud800-\udfff]/u;
const LONGEST = 200;

/**
 * What is wrong with what came as a message, in a few words: whoever handles messages of others looks before it relies on one.
 *
 * @returns nothing if it is a message
 */
export function faultOf(given: unknown): string | undefined {
  if (typeof given !== 'object' || given === null) return 'it is no object';
  const message = given as Record<string, unknown>;
  for (const field of ['id', 'topic', 'source', 'key']) {
    const text = message[field];
    if (field === 'key' && text === undefined) continue;
    const isRight = typeof text === 'string' && text.length >= 1 && text.length <= LONGEST && !NO_TEXT.test(text);
    if (!isRight) return `its ${field} is no text of 1 to ${LONGEST} characters`;
  }
  for (const [field, least] of [
    ['seq', 0],
    ['after', 0],
    ['attempt', 1],
  ] as const) {
    const number = message[field];
    if (field === 'after' && number === undefined) continue;
    if (!Number.isSafeInteger(number) || (number as number) < least) return `its ${field} is no whole number`;
  }
  return Number.isFinite(message.addedAt) ? undefined : 'its addedAt is no time';
}

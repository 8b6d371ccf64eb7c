import { toJson, UnstorableResult } from '../guard/json.js';

/** As large as a message may be, in bytes of its JSON: what carries it on has limits of its own, of 2 MB and less. */
export const MOST_BYTES = 1_000_000;

/** A payload as JSON text, `null` for none. @throws a TypeError that says, in one line, why it cannot be carried */
export function payloadJson(what: string, payload: unknown): string | null {
  let json: string | null;
  try {
    json = toJson(payload);
  } catch (error) {
    if (!(error instanceof UnstorableResult || error instanceof TypeError)) throw error;
    throw new TypeError(`the payload of ${what} cannot be sent: ${error.message}`, { cause: error });
  }
  const bytes = json === null ? 0 : Buffer.byteLength(json);
  if (bytes <= MOST_BYTES) return json;
  throw new TypeError(
    `the payload of ${what} has ${bytes} bytes: at most ${MOST_BYTES} are sent; keep the content elsewhere and send where it is`,
  );
}

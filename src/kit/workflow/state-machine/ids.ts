const REQUEST_ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/;
export const WRONG_REQUEST_ID = 'a request id is 1 to 100 letters, digits and ._:- and begins with none of these signs';

export function isRequestId(given: unknown): given is string {
  return typeof given === 'string' && REQUEST_ID.test(given);
}

/** The branch of an event in the guard's rows, and with the machine's id the id of its saga: a request id that was derived names its event. */
export function branchOf({ event, requestId }: { readonly event: string; readonly requestId: string }): string {
  return requestId.startsWith(`${event}.`) ? requestId : `${event}.${requestId}`;
}

/** The request id of a message: its own where that fits. */
export function requestOf(messageId: string): string {
  const plain = messageId.replaceAll(/[^A-Za-z0-9._:-]/g, '_');
  if (plain === messageId && plain.length <= 80) return `m-${plain}`;
  // Those that are cut or changed would be the same for several ids.
  let hash = 0xcbf29ce484222325n;
  for (const char of messageId) hash = BigInt.asUintN(64, (hash ^ BigInt(char.codePointAt(0) ?? 0)) * 0x100000001b3n);
  return `m-${plain.slice(0, 60)}-${hash.toString(36)}`;
}

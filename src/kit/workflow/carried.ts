import type { StartOrder } from './fate.js';

/**
 * What a transaction is made of has to be carried unchanged by a Temporal server and by JSON in PostgreSQL: what begins outside a
 * workflow of its own (in a process, in a group) may have to become one. Pure.
 */

/**
 * What a Temporal server takes by default, in bytes: a workflow's id; its summary and details as JSON, which not every version
 * looks at; and all that it is started with, where each part may have 2 MB.
 */
const SERVER = { gid: 1_000, summary: 400, details: 20_000, start: 1_500_000 } as const;

/**
 * What JSON text may hold and PostgreSQL has no place for: a zero character, half of a surrogate pair. An escaped
 * backslash is matched too, so that what follows it is not taken for an escape.
 */
const ESCAPES = /\\(?:\\|u0000|ud[89a-f][0-9a-f]{2})/g;

/** Whether PostgreSQL keeps this JSON text unchanged. */
export function isStorable(json: string): boolean {
  return storable(json) === json;
}

/** JSON text with a replacement character for what PostgreSQL has no place for. */
export function storable(json: string): string {
  return json.replace(ESCAPES, (escape) => (escape === '\\\\' ? escape : '\ufffd'));
}

/**
 * Why no workflow could take this transaction over, if so: then it begins as one.
 *
 * @param text the start as JSON
 */
export function beyondServer(gid: string, start: StartOrder, text: string): Error | undefined {
  const { summary = '', details = '' } = start;
  if (gid === '') return new Error('its gid is empty');
  if (!isStorable(text))
    return new Error('its input or its summary holds a zero character or half of a surrogate pair');
  // A character takes three bytes at most.
  if (text.length * 3 > SERVER.start && bytesOf(text) > SERVER.start) {
    return new Error(`what starts its workflow has more than ${SERVER.start} bytes`);
  }
  if (gid.length * 3 > SERVER.gid && bytesOf(gid) > SERVER.gid) {
    return new Error(`its gid has more than ${SERVER.gid} bytes`);
  }
  for (const [name, text] of [
    ['summary', summary],
    ['details', details],
  ] as const) {
    // As JSON a character takes six bytes at most.
    if (text.length * 6 <= SERVER[name] - 2) continue;
    const bytes = bytesOf(JSON.stringify(text));
    if (bytes > SERVER[name]) return new Error(`its ${name} has ${bytes} bytes`);
  }
  return undefined;
}

/** How many bytes a text has in UTF-8. */
function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

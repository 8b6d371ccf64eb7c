import type { Order } from './as-workflow.js';

/**
 * What a Temporal server takes by default, in bytes: a workflow's id; its summary and details as JSON; and all that it is started
 * with, where each part may have 2 MB.
 */
const SERVER = { gid: 1_000, summary: 400, details: 20_000, start: 1_500_000 } as const;

/**
 * What JSON text may hold and PostgreSQL has no place for: a zero character, half of a surrogate pair. An escaped backslash is
 * matched too, so that what follows it is not taken for an escape.
 */
const ESCAPES = /\\(?:\\|u0000|ud[89a-f][0-9a-f]{2})/g;

/**
 * Whether a transaction may join a group: whether its group could start it as a workflow of its own, and a relay could, from what a
 * database keeps of it. One that may not would hold up the others, or be started with another input.
 */
export function isJoinable({ gid, start }: Order): boolean {
  const { summary = '', details = '' } = start;
  const bytes = (text: string) => Buffer.byteLength(text);
  const text = JSON.stringify(start);
  return (
    gid !== '' &&
    bytes(gid) <= SERVER.gid &&
    bytes(JSON.stringify(summary)) <= SERVER.summary &&
    bytes(JSON.stringify(details)) <= SERVER.details &&
    bytes(text) <= SERVER.start &&
    !(text.match(ESCAPES) ?? []).some((escape) => escape !== '\\\\')
  );
}

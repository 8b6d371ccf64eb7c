import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A state has two halves, which may lie in two places: Temporal's data, in its folder, and PostgreSQL's. With one of them
 * lost, the other speaks of transactions that nobody knows. So both carry the state's id.
 */
const FILE = 'backstitch-id';

/** Whether both halves are of one state; those that are still without an id are. */
export function belongTogether(folder: string, data: string): boolean {
  return read(folder) === read(data);
}

/** Gives both halves the state's id, if they have none yet. */
export function markTogether(folder: string, data: string): string {
  const id = read(folder) ?? randomBytes(4).toString('hex');
  for (const half of [data, folder]) writeFileSync(join(half, FILE), id);
  return id;
}

function read(half: string): string | undefined {
  const file = join(half, FILE);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

import { messageOf } from '../database/message.js';
import type { Database } from '../database/sql.js';
import type { ParticipantDatabases } from './adopt.js';

/** Each database once, under one of the participants that share it. */
export function distinctOf(databases: ParticipantDatabases): ReadonlyMap<string, Database> {
  const names = new Map<Database, string>();
  for (const [participant, database] of Object.entries(databases)) {
    if (!names.has(database)) names.set(database, participant);
  }
  return new Map([...names].map(([database, participant]) => [participant, database]));
}

/** Reads all databases side by side. One that cannot be read keeps nothing from the others. */
export async function readAll<T>(
  databases: ReadonlyMap<string, Database>,
  read: (database: Database, home: string) => Promise<T>,
): Promise<{ read: { home: string; found: T }[]; unread: string[] }> {
  const unread: string[] = [];
  const all = [...databases].map(async ([home, database]) => {
    try {
      return [{ home, found: await read(database, home) }];
    } catch (error) {
      unread.push(`the database of '${home}' cannot be read: ${messageOf(error)}`);
      return [];
    }
  });
  return { read: (await Promise.all(all)).flat(), unread };
}

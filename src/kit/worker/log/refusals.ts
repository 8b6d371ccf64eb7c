import { countAlike, MOST_KINDS, type AlikeRows } from '../../database/log/refusals.js';
import { messageOf } from '../../database/message.js';
import type { Database } from '../../database/sql.js';
import type { ParticipantImplementation } from '../../direct/participants.js';
import type { AskedBy, RefusalActivities, StepCount } from '../../workflow/refusals.js';

/** Options of {@link refusalActivities}. */
export interface RefusalsOptions {
  /** The participants' databases, by service; each has a guard. */
  readonly databases: Readonly<Record<string, Database>>;
  /** The participants: which of their operations can be taken back is seen of them. */
  readonly participants: Readonly<Record<string, ParticipantImplementation>>;
}

/** What takes an operation back, or makes it good. */
const UNDOS = ['compensation', 'amends', 'cancel', 'rollback'];

/** The activity of `countRefusals`, for a worker. */
export function refusalActivities({ databases, participants }: RefusalsOptions): RefusalActivities {
  const isUndoable = (operation: string) => {
    const [participant = '', name = ''] = operation.split('.');
    return UNDOS.some((op) => Object.hasOwn(participants[participant]?.[name] ?? {}, op));
  };
  return {
    'backstitch.countRefusals': async (order) => {
      const notes: string[] = [];
      const read = Object.entries(databases).map(async ([service, database]) => {
        try {
          const { rows, more } = await countAlike(database, order);
          if (more)
            notes.push(`the service '${service}' has more kinds of steps: its ${MOST_KINDS} most frequent count`);
          return rows;
        } catch (error) {
          notes.push(`the database of the service '${service}' cannot be read: ${messageOf(error)}`);
          return [];
        }
      });
      const steps = stepsOf((await Promise.all(read)).flat(), isUndoable);
      return { since: new Date(order.since).toISOString(), steps, notes: notes.sort() };
    },
  };
}

interface Sums extends Omit<StepCount, 'place' | 'undoable' | 'operations'> {
  readonly operations: Set<string>;
  reached: number;
  refused: number;
  readonly reasons: Record<string, number>;
  places: number;
}

/** One step may be in several databases, as an account is in one bank or the other. */
function stepsOf(rows: readonly AlikeRows[], isUndoable: (operation: string) => boolean): StepCount[] {
  const steps = new Map<string, Sums>();
  for (const { transaction, by, step, function: name, refused, type, count, places } of rows) {
    const key = JSON.stringify([transaction, by, step]);
    const sums = steps.get(key) ?? {
      ...{ transaction, by: by as AskedBy, step, operations: new Set<string>() },
      ...{ reached: 0, refused: 0, reasons: {}, places: 0 },
    };
    steps.set(key, sums);
    sums.operations.add(name.slice(0, name.lastIndexOf('.')));
    sums.reached += count;
    sums.places += places;
    if (!refused) continue;
    sums.refused += count;
    const reason = type ?? 'Rejected';
    sums.reasons[reason] = (sums.reasons[reason] ?? 0) + count;
  }
  return [...steps.values()]
    .map(({ operations, places, ...sums }): StepCount => {
      const place = Math.round((places / sums.reached) * 100) / 100;
      const names = [...operations].sort();
      return { ...sums, operations: names, place, undoable: names.every(isUndoable) };
    })
    .sort(
      (a, b) =>
        compare(a.transaction, b.transaction) || compare(a.by, b.by) || a.place - b.place || compare(a.step, b.step),
    );
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

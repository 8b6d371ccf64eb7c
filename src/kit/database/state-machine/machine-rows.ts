import type { Operation } from '../../workflow/branch.js';
import {
  MOVED_ELSEWHERE,
  NO_ROW,
  type MoveOrder,
  type Moved,
  type ReadOrder,
  type ReadRow,
} from '../../workflow/state-machine/protocol.js';
import type { Guard } from '../guard/guard.js';
import { Rejection } from '../rejection.js';
import type { Database, Sql } from '../sql.js';
import type { MachineRowNames } from './names.js';
import { machineStatements } from './statements.js';

/**
 * The rows of a state machine: the arbiter of what state an object is in.
 *
 * States: those of the machine's table. Transition: one guarded update, `… where status = from and version = seen`, in the guard's own SQL
 * transaction, with the note of the move and what else belongs to it. A row that is elsewhere is left as it is, and the answer is a
 * rejection that says where it is.
 *
 * Invariant: of two that move the same row from the same state one wins, whoever they are (two workflows, of which one was terminated; a
 * deadline and a payment); a request moves a row once.
 */

/** Options of {@link machineRows}. */
export interface MachineRowsOptions extends MachineRowNames {
  /**
   * What else is done in the SQL transaction of a move, such as a message for the outbox. It throws {@link Rejection} if the move may
   * not happen. Default: nothing, and a move takes one round trip
   */
  readonly beside?: (sql: Sql, order: MoveOrder, operation: Operation) => Promise<unknown>;
  /** What guards and effects get of an object whose machine was started without any data. Default: nothing */
  readonly data?: (sql: Sql, id: string) => Promise<unknown>;
}

/** The operations that a machine's workflow calls; a participant of a worker. */
export type MachineRowsParticipant = {
  readonly move: { readonly action: (operation: Operation, order: MoveOrder) => Promise<Moved> };
  readonly read: { readonly action: (operation: Operation, order: ReadOrder) => Promise<ReadRow | null> };
};

interface FoundRow {
  readonly main: string;
  readonly sub: string | null;
  readonly version: number;
  readonly since: number | null;
  readonly moves?: string;
}

/** So many moves are read at most. */
const MOST_MOVES = 1_000;

/**
 * Makes the participant that has a machine's rows.
 *
 * @example
 * ```ts
 * const rows = machineRows(db, guard, { table: 'claims', moves: 'claim_moves', movedAt: 'moved_at' });
 * const activities = participantActivities({ claims: rows }, { who });
 * ```
 */
export function machineRows(db: Database, guard: Guard, options: MachineRowsOptions): MachineRowsParticipant {
  const statements = machineStatements(options);
  const { move, read, readMoves } = statements;
  const { beside, data } = options;
  const split = options.subState !== undefined;

  const find = async (sql: Sql, id: string, wanted = 0): Promise<ReadRow | undefined> => {
    // One statement: the row and its moves are of the same moment.
    const [text, values] = readMoves === undefined || wanted === 0 ? [read, [id]] : [readMoves, [id, wanted]];
    const [row] = await sql<FoundRow>(text, values);
    if (row === undefined) return undefined;
    const state = split && row.sub !== null ? `${row.main}.${row.sub}` : row.main;
    const moves = JSON.parse(row.moves ?? '[]') as ReadRow['moves'];
    return { state, version: row.version, since: row.since ?? undefined, moves };
  };

  const moveRow = async (sql: Sql, operation: Operation, order: MoveOrder): Promise<Moved> => {
    const [moved] = await sql<Moved>(`with ${move.with} ${move.text}`, valuesOf(order));
    if (moved === undefined) throw lost(order, await find(sql, order.id));
    const result = beside === undefined ? undefined : await beside(sql, order, operation);
    return { ...moved, ...(result !== undefined && { result }) };
  };

  return {
    move: {
      action: async (operation, order) => {
        // When and from where it is asked again is no other request: what was done is answered.
        const { id, event, requestId, input } = order;
        const atOnce = () => ({ statement: move, values: valuesOf(order) });
        return guard.apply<Moved>(
          operation,
          { id, event, requestId, input },
          (sql) => moveRow(sql, operation, order),
          beside === undefined ? atOnce : undefined,
        );
      },
    },
    read: {
      action: async (_, { id, moves: wanted = 0 }) => {
        const found = await find(db.run, id, Math.min(wanted, MOST_MOVES));
        if (found === undefined) return null;
        return data === undefined ? found : { ...found, data: await data(db.run, id) };
      },
    },
  };
}

function valuesOf({ id, event, requestId, from, to, version, at, by }: MoveOrder): readonly unknown[] {
  return [id, ...parts(from), ...parts(to), version, at, event, requestId, by?.actor ?? null, by?.reason ?? null];
}

/** A state as the main state and the sub-state. */
function parts(state: string): readonly [string, string | null] {
  const dot = state.indexOf('.');
  return dot < 0 ? [state, null] : [state.slice(0, dot), state.slice(dot + 1)];
}

function lost({ id, event, from, version }: MoveOrder, row: ReadRow | undefined): Rejection {
  if (row === undefined) return new Rejection(NO_ROW, `'${event}' moves nothing: there is no row of ${id}`);
  return new Rejection(
    MOVED_ELSEWHERE,
    `'${event}' of ${id} lost its race: it is in ${row.state} (move ${row.version}), not in ${from} (move ${version})`,
  );
}

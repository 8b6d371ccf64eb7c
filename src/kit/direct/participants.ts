import type { Operation } from '../workflow/branch.js';

/** A participant's implementation: operations by name, each a record of functions by op, such as an `Undoable`. */
export type ParticipantImplementation = Readonly<Record<string, object>>;

/** One function of a participant. */
export type ParticipantFunction = (operation: Operation, ...args: unknown[]) => Promise<unknown>;

/** The functions of participants by their full names, such as `payments.charge.action`. */
export function functionsOf(
  participants: Readonly<Record<string, ParticipantImplementation>>,
): ReadonlyMap<string, ParticipantFunction> {
  const functions = new Map<string, ParticipantFunction>();
  for (const [participant, operations] of Object.entries(participants)) {
    for (const [operation, byOp] of Object.entries(operations)) {
      for (const [op, implementation] of Object.entries(byOp)) {
        const name = `${participant}.${operation}.${op}`;
        if (typeof implementation !== 'function') throw new TypeError(`${name} is not a function`);
        functions.set(name, implementation as ParticipantFunction);
      }
    }
  }
  return functions;
}

import { orderLifecycleMachine } from '../../src/contracts/order-lifecycle.js';

/** The cases of the crash matrix of an order's machine: each transition of its table, by whatever brings it about, with each fault. */

/**
 * What befalls the guarded update of a transition, the first time that it is made. `terminated, late`: what the ended run had under way is done
 * when the next one has looked where the row is; `terminated before`: it is never done.
 */
export const faults = {
  'killed before': { kills: true, point: 'before' },
  'killed after': { kills: true, point: 'after' },
  'terminated before': { kills: false, point: 'before' },
  'terminated, late': { kills: false, point: 'before' },
  'terminated after': { kills: false, point: 'after' },
  'reply lost': { kills: false, point: 'after' },
} as const;
export type Fault = keyof typeof faults;

/** What brings a transition about: somebody's update, a deadline, a message of the warehouse, what an entered state has begun, the opening. */
export type By = 'update' | 'deadline' | 'message' | 'entry' | 'begin';

export interface MachineCase {
  readonly name: string;
  readonly event: string;
  readonly by: By;
  readonly from: string;
  readonly to: string;
  readonly fault: Fault;
}

const { moves, deadlines, entry, initial } = orderLifecycleMachine;
const ofWarehouse = ['received', 'pick', 'picked', 'pack', 'packed'];

/** What may bring a transition about. */
function waysOf({ event, from }: { readonly event: string; readonly from: string }): readonly By[] {
  const begun = entry[from];
  if (begun !== undefined && [begun.done, begun.failed].includes(event)) return ['entry'];
  return [
    'update',
    ...(ofWarehouse.includes(event) ? (['message'] as const) : []),
    ...(deadlines.some(({ fires, during }) => fires === event && during.has(from)) ? (['deadline'] as const) : []),
  ];
}

/** All of them, the same fault of all transitions one after the other. */
export function machineCases(): MachineCase[] {
  const transitions = [
    { event: 'open', by: 'begin' as const, from: 'nothing', to: initial },
    ...moves.flatMap(({ event, from, to }) => waysOf({ event, from }).map((by) => ({ event, by, from, to }))),
  ];
  return (Object.keys(faults) as Fault[]).flatMap((fault) =>
    transitions.map((each) => ({ ...each, fault, name: `${each.event} by ${each.by} from ${each.from}: ${fault}` })),
  );
}

/** Where an order is at rest after a transition: what a state begins when it is entered moves it on. */
export function restOf(to: string): string {
  return to === 'REFUNDING' || to === 'REFUNDING.KEPT' ? 'REFUNDED' : to;
}

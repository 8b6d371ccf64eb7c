/**
 * What an operator may do to a transaction that runs, in any scheme.
 */

/** The name of the update by which an operator acts; with an {@link OperatorOrder}, answered with an {@link OperatorNote}. */
export const OPERATE_UPDATE = 'operate';

/**
 * - `cancel`: undo it.
 * - `pause`: begin nothing more, neither steps nor undo, until it is resumed. What runs ends; the deadline runs on.
 * - `resume`: go on.
 * - `deadline`: another deadline.
 */
export type OperatorAction = 'cancel' | 'pause' | 'resume' | 'deadline';

/** All of them. */
export const operatorActions = ['cancel', 'pause', 'resume', 'deadline'] as const satisfies readonly OperatorAction[];

/** What an operator wants, with who and why. */
export interface OperatorOrder {
  readonly action: OperatorAction;
  /** With `deadline`: the new one, in milliseconds since 1970. */
  readonly deadlineAt?: number;
  readonly actor: string;
  readonly reason: string;
}

/** What an operator did; `promote`: gave a transaction to a workflow that a process had driven. */
export interface OperatorNote extends Omit<OperatorOrder, 'action'> {
  readonly action: OperatorAction | 'promote';
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** How a transaction stands, for an operator. */
export interface Operated {
  readonly now: number;
  /** The last pause, if it is paused. */
  readonly paused: OperatorNote | undefined;
  /** Why it cannot be stopped any more, if so. */
  readonly beyondStop: string | undefined;
  /** Whether its participants hold locks while they wait for it: then it does not stand still. */
  readonly holdsLocks?: true | undefined;
}

/** Says why an order cannot be carried out, and what to do instead. */
export function wrongOrder(
  order: Partial<OperatorOrder>,
  { now, paused, beyondStop, holdsLocks }: Operated,
): string | undefined {
  const { action, actor, reason, deadlineAt } = order;
  for (const [name, value] of Object.entries({ action, actor, reason })) {
    if (typeof value !== 'string' || value.trim() === '') return `an order needs ${name}: a text that is not empty`;
  }
  switch (action) {
    case 'cancel':
      return beyondStop === undefined ? undefined : `it cannot be cancelled: ${beyondStop}`;
    case 'deadline':
      if (beyondStop !== undefined) return `its deadline means nothing any more: ${beyondStop}`;
      if (Number.isSafeInteger(deadlineAt) && (deadlineAt ?? 0) > now) return undefined;
      return `deadlineAt is ${JSON.stringify(deadlineAt)}: give milliseconds since 1970, later than now (${now}); to undo it now, cancel it`;
    case 'pause':
      if (holdsLocks) return `it cannot be paused, as its participants hold locks meanwhile: cancel it, or let it end`;
      if (paused === undefined) return undefined;
      return `it is paused already, by ${paused.actor} since ${new Date(paused.at).toISOString()} (${paused.reason})`;
    case 'resume':
      return paused === undefined ? 'it is not paused' : undefined;
    default:
      return `'${String(action)}' is no order: give one of ${operatorActions.join(', ')}`;
  }
}

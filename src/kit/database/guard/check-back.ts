import type { Forward } from '../../workflow/participant.js';
import type { Guard } from './guard.js';

/**
 * What a worker registers of a local transaction that only its producer can do: it answers the check-backs of its messages, and
 * refuses to do it.
 *
 * @param guard of the producer's database
 *
 * @example
 * ```ts
 * participantActivities({ payments: { take: checkBackOnly(createGuard(paymentsDatabase)) } }, { who });
 * ```
 */
export function checkBackOnly(guard: Guard): Forward<unknown, unknown> {
  return {
    action: async (operation, input) => {
      const { function: name } = operation;
      if (!operation.settle) throw new TypeError(`${name} is done by its producer only: a worker looks at it`);
      return guard.apply(operation, input, () => Promise.reject(new TypeError(`${name} is only looked at`)));
    },
  };
}

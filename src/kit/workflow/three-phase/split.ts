import type { FailureNote } from '../failure.js';
import type { AgentStatus } from './protocol.js';

/** What an agent has decided. */
interface Decided {
  readonly branch: string;
  readonly status?: AgentStatus;
}

const BY = {
  coordinator: 'as the coordinator told it',
  timer: 'by itself',
  participant: 'as its participant refused',
  person: 'as a person decided',
  nobody: 'as it never heard of it',
} as const;

/** Who decided what, in one line. */
function decisionsOf(decided: readonly Decided[]): string {
  return decided
    .map(({ branch, status }) => {
      if (status === undefined) return `${branch} is not known`;
      const { state, by = 'coordinator', failure } = status;
      const why = by === 'timer' && failure !== undefined ? `, ${failure.message}` : '';
      return `${branch} ${state} ${BY[by]}${why}`;
    })
    .join('; ');
}

/** The type of the failure that is at the desk. */
export const SPLIT = 'Split';

/** What a person at the desk is told of a split. */
export function splitOf(decided: readonly Decided[]): FailureNote {
  return { type: SPLIT, message: `the participants decided differently: ${decisionsOf(decided)}` };
}

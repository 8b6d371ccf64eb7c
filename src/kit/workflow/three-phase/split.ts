import type { FailureNote } from '../failure.js';
import { AT_ANOTHER_DESK, type AgentStatus } from './protocol.js';

/** What an agent has decided. */
interface Decided {
  readonly branch: string;
  readonly status?: AgentStatus;
}

const BY = {
  coordinator: 'as the coordinator told it',
  timer: 'by itself',
  earlier: 'as an earlier run of it had begun to, told or by itself',
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

/** Whether somebody decided without being told, by what is said of a split. */
export function isByTimer({ message }: FailureNote): boolean {
  return message.includes(BY.timer);
}

/** What a person at the desk is told of a split. */
export function splitOf(decided: readonly Decided[]): FailureNote {
  return { type: SPLIT, message: `the participants decided differently: ${decisionsOf(decided)}` };
}

/** Whether a comparison of the agents waits for a person, by why how it ended is not known: it failed so, or did when time was over. */
export function isAtAnotherDesk({ type, message }: FailureNote): boolean {
  return type === AT_ANOTHER_DESK || message.includes(`${AT_ANOTHER_DESK}: `);
}

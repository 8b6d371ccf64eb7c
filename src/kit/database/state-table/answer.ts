import type { StateAnswer } from '../../workflow/state-table/row.js';
import type { Drive } from './drive.js';

/** What a drive comes to for its caller. */
export function answerOf({ row, failure = row.failure }: Drive): StateAnswer {
  const { state, done, results, decisions } = row;
  const why = row.failure ?? { known: 'unknown', type: 'Unknown', message: 'why was not written' };
  switch (state) {
    case 'success':
      return { answer: 'success', results };
    case 'refused':
      return { answer: 'refused', failure: why };
    case 'error':
      return { answer: 'error', done, failure: why };
    case 'left':
      return { answer: 'left', done, failure: why, by: decisions.at(-1) };
    default:
      return { answer: 'pending', done, stored: true, ...(failure && { failure }) };
  }
}

import type { Databases } from './databases.js';
import type { Without } from './guards.js';
import type { State } from './state.js';
import type { Add } from './moves.js';
import { begin, endOf, mayBegin } from './runs.js';

/** What relays do, of which there may be any number: nothing is kept between two of these. */
export function relayMoves(state: State, add: Add, databases: Databases, without: Without): void {
  if (without.has('relay: owner = the owner seen')) {
    add('R starts a workflow for what it saw before', (next) => {
      begin(next, without, 0);
    });
  }
  state.announcements.forEach((announced, database) => {
    if (announced === undefined) return;
    if (announced.owner !== 'W') {
      if (without.has('relay: takes over what has no driver')) return;
      const takeOver = ({ announcements }: State) => {
        announcements[database] = { ...announced, owner: 'W' };
      };
      add('R takes over', takeOver, true);
      return;
    }
    if (mayBegin(state.workflow, without)) {
      const start = (next: State) => {
        begin(next, without, announced.branch);
      };
      add('R starts the workflow', start, true);
    }
    const fate = endOf(state.workflow, without);
    if (fate === undefined || without.has('relay: writes the fate where the workflow could not')) return;
    const write = (next: State) => {
      databases.delete(next, database, ({ owner }) => owner === 'W');
      databases.writeFate(next, database, fate, announced.branch);
    };
    add('R writes the fate', write, true);
  });
}

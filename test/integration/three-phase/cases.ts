import type { ThreePhaseCall } from '../../../src/kit/workflow/index.js';
import type { Stage } from './stage.js';
import type { Party } from './world.js';

/**
 * Every party that can fall silent, at every point. A pays, B is paid; `preCommit` and `doCommit` go to A first.
 */
export interface Case {
  /** Who falls silent, or refuses. */
  readonly who: string;
  /** At which point. */
  readonly when: string;
  /** What happens before or after a message is told, such as `before preCommit B`: once. */
  readonly at?: Readonly<Record<string, (stage: Stage) => Promise<unknown>>>;
  /** Whose worker is the case's own, as it is stopped. It is started again in the end. */
  readonly stops?: readonly (Party | 'coordinator')[];
  /** To whom the link is one that can be cut. It is mended in the end. */
  readonly links?: readonly Party[];
  /** What has to have happened before everybody is back. Default: both agents have ended. */
  readonly until?: (stage: Stage) => Promise<unknown>;
  /** B has no such account. */
  readonly unknownAccount?: true;
  readonly times?: ThreePhaseCall;
  /** How a transaction is found whose coordinator does not go on by itself: the scan settles it; or it is lost, and has its agents compared. */
  readonly found?: 'settled' | 'agents';
}

/** Longer than anything here takes: what a bank does when its worker is back it is told to, and not by its timer. */
const LONG: ThreePhaseCall = { answer: '5 seconds', timeout: '5 minutes' };

const coordinator = ['coordinator'] as const;
const stops = (stage: Stage) => stage.stopCoordinator();
const terminated = (stage: Stage) => stage.terminate();
/** Waits until agents have ended. */
export const ended =
  (...names: Party[]) =>
  (stage: Stage) =>
    Promise.all(names.map((party) => stage.untilEnded(party)));
const cut = (party: Party) => (stage: Stage) => {
  stage.cut(party);
  return Promise.resolve();
};
const answersLost = (party: Party) => (stage: Stage) => {
  stage.cut(party, 'answers');
  return Promise.resolve();
};

/** The coordinator stops before it says something. */
const coordinatorStops = (when: string, at: string): Case => ({
  ...{ who: 'the coordinator stops', when, stops: coordinator },
  at: { [at]: stops },
});
const coordinatorTerminated = (when: string, at: string): Case => ({
  ...{ who: 'the coordinator is terminated', when, found: 'settled' },
  at: { [at]: terminated },
});

/** The usual times: who is stopped for longer than they are decides by itself when it is back, unless it hears something first. */
const USUAL: ThreePhaseCall = { answer: '10 seconds', timeout: '30 seconds' };

/** A party stops, and what it is told next does not reach it; its timer rings meanwhile, and it is back before its link. */
const pastItsTimer = (party: Party, of: Pick<Case, 'when' | 'at'>): Case => ({
  ...{ who: `${party} stops`, ...of, times: USUAL, stops: [party], links: [party] },
  until: async (stage) => {
    await stage.untilTimerRang(party);
    await stage.back(party);
    await ended('A', 'B')(stage);
  },
});

export const cases: readonly Case[] = [
  { who: 'nobody', when: '' },

  { who: 'B refuses', when: '`canCommit`', unknownAccount: true },
  { who: 'B refuses', when: '`preCommit`', at: { 'before preCommit B': (stage) => stage.closeAccount('B') } },
  { who: 'A refuses', when: '`doCommit`', at: { 'before doCommit A': (stage) => stage.rollBack('A') } },
  { who: 'B refuses', when: '`doCommit`', at: { 'before doCommit B': (stage) => stage.rollBack('B') } },

  {
    who: 'B stops',
    when: 'before it hears `canCommit`',
    stops: ['B'],
    times: LONG,
    at: { 'before canCommit B': (stage) => stage.stop('B') },
    until: ended('A'),
  },
  {
    who: 'B stops',
    when: 'before it hears `preCommit`',
    stops: ['B'],
    times: LONG,
    at: { 'before preCommit B': (stage) => stage.stop('B') },
    until: ended('A'),
  },
  {
    who: 'A stops',
    when: 'prepared, and B refuses `preCommit`',
    stops: ['A'],
    times: LONG,
    at: {
      'before preCommit B': async (stage) => {
        await stage.stop('A');
        await stage.closeAccount('B');
      },
    },
    until: ended('B'),
  },
  {
    who: 'B stops',
    when: 'prepared, before it hears `doCommit`',
    stops: ['B'],
    times: LONG,
    at: { 'before doCommit B': (stage) => stage.stop('B') },
    until: ended('A'),
  },
  pastItsTimer('A', {
    when: 'prepared, until its timer has rung; B refuses `preCommit`, and `abort` does not reach A',
    at: {
      'before preCommit B': async (stage) => {
        stage.cut('A');
        await stage.stop('A');
        await stage.closeAccount('B');
      },
    },
  }),
  pastItsTimer('B', {
    when: 'prepared, until its timer has rung; `doCommit` does not reach it',
    at: {
      'before doCommit B': async (stage) => {
        stage.cut('B');
        await stage.stop('B');
      },
    },
  }),

  {
    who: 'the coordinator stops',
    when: 'before any `canCommit`',
    stops: coordinator,
    at: { 'before canCommit A': stops, 'before canCommit B': stops },
    until: (stage) => stage.untilTimedOut(2),
  },
  {
    who: 'the coordinator stops',
    when: 'when only A has heard `canCommit`',
    stops: coordinator,
    at: {
      'before canCommit B': async (stage) => {
        await stage.until('after canCommit A');
        return stage.stopCoordinator();
      },
    },
    until: async (stage) => {
      await stage.untilTimedOut(1);
      await stage.untilEnded('A');
    },
  },
  coordinatorStops('before the first `preCommit`', 'before preCommit A'),
  coordinatorStops('between the two `preCommit`s', 'before preCommit B'),
  coordinatorTerminated('between the two `preCommit`s', 'before preCommit B'),
  {
    who: 'the coordinator is lost, with its history',
    when: 'between the two `preCommit`s',
    found: 'agents',
  },
  {
    who: 'the coordinator stops',
    when: 'before `abort` to A, which is prepared; B has refused `preCommit`',
    stops: coordinator,
    at: { 'before preCommit B': (stage) => stage.closeAccount('B'), 'before abort A': stops },
  },
  coordinatorStops('before the first `doCommit`', 'before doCommit A'),
  coordinatorStops('between the two `doCommit`s', 'before doCommit B'),
  coordinatorTerminated('between the two `doCommit`s', 'before doCommit B'),

  {
    who: 'the link to B is cut',
    when: 'before `canCommit`',
    links: ['B'],
    at: { 'before canCommit B': cut('B') },
    until: ended('A'),
  },
  { who: 'the link to B is cut', when: 'before `preCommit`', links: ['B'], at: { 'before preCommit B': cut('B') } },
  {
    who: 'the link from B is cut',
    when: 'so that the answer to `preCommit` is lost, and `abort` is heard',
    links: ['B'],
    at: { 'before preCommit B': answersLost('B') },
  },
  {
    who: 'the link to B is cut',
    when: 'so that the answer to `preCommit` is lost, and `abort` too',
    links: ['B'],
    at: { 'before preCommit B': answersLost('B'), 'before abort B': cut('B') },
  },
  {
    who: 'the link to A is cut',
    when: 'before `abort`, when it is prepared; B has refused `preCommit`',
    links: ['A'],
    at: { 'before preCommit B': (stage) => stage.closeAccount('B'), 'before abort A': cut('A') },
  },
  { who: 'the link to B is cut', when: 'before `doCommit`', links: ['B'], at: { 'before doCommit B': cut('B') } },
  {
    who: 'the link from B is cut',
    when: 'so that the answer to `doCommit` is lost',
    links: ['B'],
    at: { 'before doCommit B': answersLost('B') },
  },
];

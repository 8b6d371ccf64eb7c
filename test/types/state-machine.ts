import {
  stateMachine,
  type DeadlineOf,
  type EventFrom,
  type EventOf,
  type StateOf,
} from '../../src/kit/workflow/index.js';

/**
 * Wrong use must not compile: see saga.ts beside this file. Checked by `npm run check` and by types.test.ts; never run.
 */

export const claim = stateMachine({
  name: 'claim',
  initial: 'OPEN',
  states: ['OPEN', 'CHECK', 'CHECK.WAITING', 'PAID', 'REFUSED'],
  final: ['PAID', 'REFUSED'],
  transitions: {
    check: [
      { from: 'OPEN', to: 'CHECK' },
      { from: 'CHECK.WAITING', to: 'CHECK' },
    ],
    ask: {
      from: 'CHECK',
      to: 'CHECK.WAITING',
      guard: ({ input }) => (input === undefined ? 'what is asked?' : undefined),
    },
    pay: { from: 'CHECK.*', to: 'PAID', effect: 'payClaim' },
    refuse: { from: ['OPEN', 'CHECK.*'], to: 'REFUSED' },
  },
  deadlines: {
    unchecked: { during: 'OPEN', after: '30 days', fires: 'refuse' },
    late: { during: 'CHECK.*', after: '5 days', alarm: 'claim-late' },
  },
  entry: { CHECK: { saga: 'lookIntoClaim', done: 'pay', failed: 'refuse' } },
  ignored: { ask: ['PAID', 'CHECK.*'] },
});

type Claim = typeof claim;
export const states: StateOf<Claim>[] = ['OPEN', 'CHECK', 'CHECK.WAITING', 'PAID', 'REFUSED'];
export const events: EventOf<Claim>[] = ['check', 'ask', 'pay', 'refuse'];
export const deadlines: DeadlineOf<Claim>[] = ['unchecked', 'late'];
export const fromOpen: EventFrom<Claim, 'OPEN'>[] = ['check', 'refuse'];
export const fromWaiting: EventFrom<Claim, 'CHECK.WAITING'>[] = ['check', 'pay', 'refuse'];
// @ts-expect-error nobody is asked before it is checked
export const early: EventFrom<Claim, 'OPEN'> = 'ask';
// @ts-expect-error who waits is not asked again
export const twice: EventFrom<Claim, 'CHECK.WAITING'> = 'ask';
// @ts-expect-error nothing leads out of a final state
export const late: EventFrom<Claim, 'PAID'> = 'refuse';
// @ts-expect-error there is no such state
export const nowhere: StateOf<Claim> = 'CLOSED';
// @ts-expect-error there is no such event
export const nothing: EventOf<Claim> = 'close';
// @ts-expect-error there is no such deadline
export const never: DeadlineOf<Claim> = 'unpaid';

const base = { name: 'lamp', initial: 'OFF', states: ['OFF', 'ON', 'BROKEN'], final: ['BROKEN'] } as const;
const on = { from: 'OFF', to: 'ON' } as const;
const smash = { from: ['OFF', 'ON'], to: 'BROKEN' } as const;

export const lamp = stateMachine({ ...base, transitions: { on, smash } });
// @ts-expect-error it is final
stateMachine({ ...base, transitions: { on: { from: 'BROKEN', to: 'ON' } } });
// @ts-expect-error it is not declared
stateMachine({ ...base, transitions: { on: { from: 'OFF', to: 'DIM' } } });
// @ts-expect-error it is not declared
stateMachine({ ...base, transitions: { on: { from: 'DIM', to: 'ON' } } });
// @ts-expect-error it leads out of OFF twice
stateMachine({ ...base, transitions: { on: [on, { from: 'OFF', to: 'BROKEN' }] } });
// @ts-expect-error it leads out of OFF twice, once by a list
stateMachine({ ...base, transitions: { on: [on, smash] } });
// @ts-expect-error the final state is not declared
stateMachine({ ...base, final: ['GONE'], transitions: { on, smash } });
// @ts-expect-error it begins in a final state
stateMachine({ ...base, initial: 'BROKEN', transitions: { on, smash } });
// @ts-expect-error there is no such event
stateMachine({ ...base, transitions: { on }, deadlines: { dark: { during: 'OFF', after: '1 day', fires: 'off' } } });
// @ts-expect-error nothing is late in a final state
stateMachine({ ...base, transitions: { on }, deadlines: { dark: { during: 'BROKEN', after: '1 day', fires: 'on' } } });
// @ts-expect-error a final state begins nothing
stateMachine({ ...base, transitions: { on }, entry: { BROKEN: { saga: 'mend' } } });

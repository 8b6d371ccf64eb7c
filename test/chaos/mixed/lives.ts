import type { orderLifecycleMachine } from '../../../src/contracts/order-lifecycle.js';

/**
 * The lives that orders lead in a run: what is done to an order in each state. What is named together is done at the same moment, and
 * the order goes where the first of them leads; then the next state says what comes.
 *
 * - `pay`, … : an event, sent to the machine;
 * - `@pick`, …: a step that somebody does at the warehouse, whose message moves the order;
 * - `!unpaid`, …: a deadline whose time has come;
 * - nothing: it goes on by itself.
 */
export type Life = Readonly<Record<LivingState, readonly string[]>>;
type State = (typeof orderLifecycleMachine.states)[number];
type LivingState = Exclude<State, 'COMPLETED' | 'CANCELLED' | 'REFUNDED'>;

/** All goes well. */
const usual: Life = {
  WAIT_PAY: ['pay'],
  PAID: [],
  'PAID.WAIT_PICK': ['pick'],
  'PAID.PICKING': ['picked'],
  'PAID.WAIT_PACK': ['pack'],
  'PAID.PACKING': ['packed'],
  WAIT_DELIVER: ['ship'],
  DELIVERED: ['deliver'],
  'DELIVERED.ARRIVED': ['complete'],
  REFUNDING: [],
  'REFUNDING.RECALLED': ['returned'],
  'REFUNDING.LOST': ['refund'],
  'REFUNDING.KEPT': [],
  'REFUNDING.REFUSED': ['refund'],
  'REFUNDING.KEPT_REFUSED': ['refund'],
};
const atWarehouse = {
  'PAID.WAIT_PICK': ['@pick'],
  'PAID.PICKING': ['@picked'],
  'PAID.WAIT_PACK': ['@pack'],
  'PAID.PACKING': ['@packed'],
} as const;

/** Every life, by a name for people. */
export const lives = {
  completed: usual,
  'moved by the warehouse, then refunded': { ...usual, ...atWarehouse, WAIT_DELIVER: ['refund'] },
  'cancelled unpaid': { ...usual, WAIT_PAY: ['cancel'] },
  'paid and cancelled at once, and completed by its deadline': {
    ...usual,
    WAIT_PAY: ['pay', 'cancel'],
    DELIVERED: ['!uncompleted'],
  },
  'recalled, and it came back': { ...usual, DELIVERED: ['recall'] },
  'shipped and cancelled at once': { ...usual, ...atWarehouse, WAIT_DELIVER: ['ship', 'cancel'] },
  'never paid': { ...usual, WAIT_PAY: ['!unpaid'] },
  'recalled, and lost': { ...usual, DELIVERED: ['recall'], 'REFUNDING.RECALLED': ['lost'] },
  'refunded, and the goods are kept': { ...usual, 'DELIVERED.ARRIVED': ['refund'] },
  'packed, and cancelled': { ...usual, WAIT_DELIVER: ['cancel'] },
  'paid at the last moment': { ...usual, ...atWarehouse, WAIT_PAY: ['!unpaid', 'pay'], DELIVERED: ['complete'] },
} as const satisfies Readonly<Record<string, Life>>;
export type LifeName = keyof typeof lives;
export const lifeNames = Object.keys(lives) as LifeName[];

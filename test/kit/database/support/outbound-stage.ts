import { createOutbound, type Operation, type OutboundOptions } from '../../../../src/kit/database/index.js';
import { Provider, requestsTo, type Payment } from './provider.js';
import { newGid, op, Stage } from './stage.js';

/** What is paid in the tests of the second mode. */
export const CENTS = 100;

/** A database with a guard, and a payment provider over HTTP. */
export class OutboundStage extends Stage {
  #provider: Provider | undefined;

  constructor() {
    super();
    before(async () => {
      this.#provider = await Provider.open();
    });
    after(() => this.#provider?.close());
    afterEach(() => {
      this.provider.faults.length = 0;
      this.provider.onArrival = () => undefined;
      this.provider.keys = true;
    });
  }

  get provider(): Provider {
    if (this.#provider === undefined) throw new Error('the stage is not open yet');
    return this.#provider;
  }

  /** A branch that charges an account of its own, and what may be asked of it. */
  branch(options: OutboundOptions & { lookUp?: boolean } = {}) {
    const gid = newGid();
    const payment: Payment = { account: gid, amount: CENTS };
    const outbound = createOutbound(this.db, options);
    const { charge, refund } = requestsTo(this.provider, options);
    const sentBefore = this.provider.received.length;
    return {
      gid,
      payment,
      action: (more: Partial<Operation> = {}, input = payment) =>
        outbound.apply(op(gid, 'action', more), input, charge),
      undo: (more: Partial<Operation> = {}, input = payment) =>
        outbound.undo(op(gid, 'compensation', more), input, charge, refund),
      settle: (more: Partial<Operation> = {}, input = payment) =>
        outbound.apply(op(gid, 'action', { settle: true, ...more }), input, charge),
      /** What the provider's books say, in payments of this branch. */
      net: () => this.provider.net(gid) / CENTS,
      booked: () => this.provider.books.filter(({ account }) => account === gid).map(({ kind }) => kind),
      /** The keys of the requests that arrived, since the branch was made. */
      sent: () => this.provider.received.slice(sentBefore),
      outcome: async (phase: 1 | 2) => (await this.row(gid, phase))?.outcome,
      /** As if so many milliseconds had passed since whatever the branch's rows tell of. */
      passes: (ms: number) =>
        this.pool.query(
          `update backstitch.guard set first_sent_at = first_sent_at - make_interval(secs => $2::float8 / 1000),
             sending_until = sending_until - make_interval(secs => $2::float8 / 1000) where gid = $1`,
          [gid, ms],
        ),
    };
  }
}

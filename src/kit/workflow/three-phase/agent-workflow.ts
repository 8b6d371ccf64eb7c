import { allHandlersFinished, CancellationScope, condition, defineUpdate, setHandler } from '@temporalio/workflow';
import type { Op } from '../branch.js';
import { callActivity, callPatiently, judge } from '../calls.js';
import type { Call } from '../saga/driver.js';
import type { Settle } from '../saga/definition.js';
import { Agent } from './agent.js';
import type { AgentDriver } from './agent-driver.js';
import { messages, type AgentOrder, type AgentStatus } from './protocol.js';
import { Seat } from './seat.js';

/**
 * The agent of a participant in a three-phase commit, as a workflow: export it from the module that the participant's worker loads.
 * Its rules are those of {@link Agent}. It is started by the coordinator's first message.
 *
 * @param call `settle`: its run was ended from outside, and this is the next one
 * @returns how it ended
 */
export async function threePhaseAgent(
  order: AgentOrder,
  call: { readonly settle?: Settle } = {},
): Promise<AgentStatus> {
  const { agent } = new AgentWorkflow(order);
  // A request to cancel changes nothing: what it has promised it keeps.
  await CancellationScope.nonCancellable(async () => {
    await agent.live(call.settle);
    // Who has asked must hear the answer before the workflow closes.
    await condition(allHandlersFinished);
  });
  return agent.status;
}

/** Carries an agent as the workflow that this is: its timer is a durable one. */
class AgentWorkflow implements AgentDriver {
  readonly agent: Agent;
  readonly #order: AgentOrder;
  readonly #seat: Seat;

  constructor(order: AgentOrder) {
    this.#order = order;
    this.agent = new Agent(this, order);
    this.#seat = new Seat({ gid: order.gid, state: () => this.agent.txState, view: () => this.agent.view });
    for (const message of messages) {
      setHandler(defineUpdate<AgentStatus>(message), () => this.agent.hear(message));
    }
    this.#seat.serve();
  }

  get desk() {
    return this.#seat.desk;
  }

  now(): number {
    return Date.now();
  }

  judge = judge;

  ask(op: Op, args: readonly unknown[], within: number | 'patiently', settle?: true): Promise<unknown> {
    const { gid, branch, seq, operation, summary, windowMs } = this.#order;
    const call: Call = {
      branch: { gid, branch, op, scheme: '3pc', seq, ...(settle && { settle }) },
      ...{ operation, args, summary: `${op}: ${summary}`, options: {} },
      profile: within === 'patiently' ? 'forward' : 'action',
    };
    return within === 'patiently' ? callPatiently(call, windowMs) : callActivity(call, within);
  }

  until(happened: () => boolean, ms?: number): Promise<boolean> {
    return CancellationScope.nonCancellable(async () => {
      if (ms !== undefined) return condition(happened, ms);
      await condition(happened);
      return true;
    });
  }

  changed(): void {
    this.#seat.changed();
  }

  list(): void {
    this.#seat.list();
  }
}

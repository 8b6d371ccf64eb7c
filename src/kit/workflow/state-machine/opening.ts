import { ApplicationFailure } from '@temporalio/common';
import { failureOf } from '../saga/report.js';
import { runSaga } from './child.js';
import { MachineCore, type KeptMachine } from './core.js';
import type { StateMachine } from './definition.js';
import type { RunOrder } from './protocol.js';
import { refusal } from './queue.js';
import type { Rows } from './rows.js';
import { SAGA_GONE } from './saga-end.js';

/** What a run begins with. */
interface Beginning {
  readonly id: string;
  readonly machine: StateMachine;
  readonly rows: Rows;
  /** How many requests are remembered. */
  readonly remembered: number;
  /** The saga that makes the row; absent: it has to be there. */
  readonly begin: string | undefined;
  readonly data: unknown;
  readonly kept: KeptMachine | undefined;
}

/**
 * How a run comes to know where its object is: from the run before it, or from the row, which it has made where there is none.
 *
 * Invariant: what the row says goes before what a run has known.
 */
export class Opening {
  readonly #of: Beginning;

  constructor(of: Beginning) {
    this.#of = of;
  }

  /** From the run before, perhaps under an older table. @throws if this table has not its state: a worker with another release has to come */
  fromBefore(kept: KeptMachine): MachineCore {
    const core = this.#coreOf(this.#of.data, kept);
    core.adopt();
    return core;
  }

  /** From the row. @returns why it cannot begin at all, if so */
  async fromRow(): Promise<MachineCore | ApplicationFailure> {
    const { id, machine, rows, begin, remembered, data, kept } = this.#of;
    let row = await rows.read(remembered);
    if (row === null && begin !== undefined) {
      const order: RunOrder = { id, why: 'begin', state: machine.initial, version: 0, round: 1, data };
      const end = await runSaga(begin, `${id}.begin`, order, `begin ${machine.name} ${id}`);
      // Of one that ended so long ago that nobody knows how, the row tells.
      if (end.how === 'ended' && end.failure.type !== SAGA_GONE) {
        const { failure, report } = end;
        // As that of any transaction: its type says what is left.
        if (report !== undefined) return failureOf(report, undefined);
        return ApplicationFailure.create({ ...failure, nonRetryable: true });
      }
      row = await rows.read(remembered);
    }
    if (row === null) return refusal('NoSuchRow', `there is no row of ${id}: nothing to begin with`, {});
    const core = this.#coreOf(data ?? row.data, kept);
    // What a newer table has runs from when the object came to where it was, whether it has moved since or not.
    if (kept !== undefined && machine.states.includes(kept.state)) core.adopt();
    core.resync(row, Date.now());
    return core;
  }

  /** Takes over where the row is now. @returns whether it was elsewhere than the machine believed */
  async again(core: MachineCore): Promise<boolean> {
    const row = await this.#of.rows.read(this.#of.remembered);
    return row !== null && core.resync(row, Date.now());
  }

  #coreOf(data: unknown, kept: KeptMachine | undefined): MachineCore {
    const { machine, id, remembered } = this.#of;
    return new MachineCore(machine, { id, data, most: remembered }, kept);
  }
}

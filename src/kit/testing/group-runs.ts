import type { Client } from '@temporalio/client';
import { faultOrder, settleSoon, unlessEnded } from './driver.js';
import type { Workers } from './workers.js';

/** What is done from outside to the runs of groups. */
export class GroupRuns {
  readonly #client: Client;
  readonly #workers: Workers;
  /** The task queue of the process that nobody kills. */
  readonly #steady: string;
  /** Members of groups that were terminated, while they are settled and after. */
  readonly #settling = new Map<string, Promise<unknown>>();

  constructor(client: Client, workers: Workers, steady: string) {
    this.#client = client;
    this.#workers = workers;
    this.#steady = steady;
  }

  async cancel(group: string): Promise<void> {
    await unlessEnded(this.#client.workflow.getHandle(group).cancel());
  }

  /** Terminates a group, and has its members settled. */
  async terminate(group: string, gids: readonly string[]): Promise<void> {
    const handle = this.#client.workflow.getHandle(group);
    const { runId } = await handle.describe();
    let ended: () => void = () => undefined;
    const terminated = new Promise<void>((resolve) => (ended = resolve));
    // In a process that starts workflows as the matrix's.
    const settled = settleSoon(terminated, () =>
      this.#workers.at(this.#steady).request({ what: 'settle-group', workflowId: group, runId }),
    );
    settled.catch(() => undefined); // Whoever waits for it hears of it.
    for (const gid of gids) this.#settling.set(gid, settled);
    await unlessEnded(handle.terminate(faultOrder.reason)).finally(ended);
  }

  /** Waits until what settles it was started. @returns whether that is so */
  async settled(gid: string): Promise<boolean> {
    await this.#settling.get(gid);
    return this.#settling.has(gid);
  }
}

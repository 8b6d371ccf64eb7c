import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { NotYet, Poison } from '../../messages/sink.js';
import { ENDED_FROM_OUTSIDE, hasEndedItself } from '../settle.js';
import { settleMachine } from '../settle-machine.js';

/** So often it is tried again when a run ends at the very moment. */
const TRIES = 3;

/**
 * Gives a message to a state machine that runs. One whose newest run was ended from outside is started again before, with what that run
 * knew; one that has come to its end has no use for it.
 *
 * @throws Poison: it has never begun; NotYet: it cannot be started again now; what the server says
 */
export async function signalMachine(client: Client, id: string, signal: string, message: unknown): Promise<void> {
  const handle = client.workflow.getHandle(id);
  for (let left = TRIES; left > 0; left--) {
    try {
      await handle.signal(signal, message);
      return;
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
    const newest = await handle.describe().catch((error: unknown) => {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      throw new Error(`no state machine ${id} was started, or the server keeps nothing of it any more`, {
        cause: error,
      });
    });
    const how = newest.status.name;
    if (how === 'COMPLETED') return;
    if (how === 'FAILED' && hasEndedItself(newest)) throw new Poison(`the state machine ${id} has never begun`);
    // Another run was started meanwhile, unless it was ended.
    if (!ENDED_FROM_OUTSIDE.includes(how)) continue;
    try {
      await settleMachine(client, newest);
    } catch (error) {
      // No fault of the message; and others are taken: the scan tries it too, and tells people.
      throw new NotYet(`${id} could not be started again: ${String(error)}`, { cause: error });
    }
  }
  throw new Error(`${id} ends whenever it is begun`);
}

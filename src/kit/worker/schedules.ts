import { isGrpcServiceError, type Client } from '@temporalio/client';
import { ownSchedules, shownOf } from '../client/schedules/read.js';
import { messageOf } from '../database/message.js';
import { ofServer } from './limited.js';

/** What a scan is told of schedules. */
export interface SchedulesFound {
  readonly schedules: readonly { readonly id: string; readonly trouble: string }[];
  readonly unread: readonly { readonly participant: string; readonly message: string }[];
}

const UNIMPLEMENTED = 12;

/**
 * The schedules of a task queue that a person should look at: for the scan, so that one that fails, or is paused and forgotten, is told. The
 * scan's own is among them: when nobody scans, `schedules list` tells.
 */
export async function lookAfterSchedules(client: Client, taskQueue: string): Promise<SchedulesFound> {
  const look = async () => {
    const found: { id: string; trouble: string }[] = [];
    for (const description of await ownSchedules(client, taskQueue)) {
      const { id, trouble } = await shownOf(client, taskQueue, description, '');
      if (trouble !== undefined) found.push({ id, trouble });
    }
    return found;
  };
  try {
    return { schedules: await ofServer(look()), unread: [] };
  } catch (error) {
    const cause = error instanceof Error && !isGrpcServiceError(error) ? error.cause : error;
    // A server that has no schedules at all.
    if (isGrpcServiceError(cause) && (cause.code as number) === UNIMPLEMENTED) return { schedules: [], unread: [] };
    return { schedules: [], unread: [{ participant: 'the schedules', message: messageOf(error) }] };
  }
}

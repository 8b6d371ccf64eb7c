import { Client, type WorkflowService } from '@temporalio/client';
import { connectTo } from './connection.js';

/** A client of a server of which some calls do not do what they should. */
export interface PatchedClient {
  readonly client: Client;
  readonly close: () => Promise<void>;
}

/** @param patch gives other functions for some of the server's, which it is given */
export async function patchedClient(
  address: string,
  patch: (service: WorkflowService) => Partial<Record<keyof WorkflowService, (request: never) => Promise<unknown>>>,
): Promise<PatchedClient> {
  const connection = await connectTo(address);
  Object.assign(connection.workflowService, patch(connection.workflowService));
  return { client: new Client({ connection }), close: () => connection.close() };
}

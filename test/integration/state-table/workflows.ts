export { deliverAlarms, stateTableDesk } from '../../../src/kit/workflow/index.js';

/** What another scheme does under a gid. */
export async function another(): Promise<string> {
  return Promise.resolve('done');
}

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';

const LIMIT_MS = 60_000;

/**
 * Lets the SDK's test environment download its server into a folder.
 *
 * @param start starts the environment, with `{ type: 'cached-download', downloadDir: folder }`
 * @returns the file that it left
 * @throws with the SDK's reason, or after a minute
 */
export async function sdkDownload(folder: string, start: () => Promise<TestWorkflowEnvironment>): Promise<string> {
  const started = start();
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, LIMIT_MS, undefined);
  });
  const environment = await Promise.race([started, limit]).finally(() => {
    clearTimeout(timer);
  });
  if (environment === undefined) {
    // The download cannot be called off; if it succeeds after all, nobody waits for its server.
    void started.then((late) => late.teardown()).catch(() => undefined);
    throw new Error('not downloaded within a minute');
  }
  await environment.teardown();
  const [file] = readdirSync(folder);
  if (file === undefined) throw new Error('the download left no file');
  return join(folder, file);
}

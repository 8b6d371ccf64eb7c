import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { unlessAborted } from '../signals.js';

const LIMIT_MS = 5 * 60_000;
/** How often a running download says that it runs. */
const TELL_MS = 10_000;

/**
 * Lets the SDK's test environment download its server into a folder.
 *
 * @param start starts the environment, with `{ type: 'cached-download', downloadDir: folder }`
 * @param onProgress told every ten seconds that it goes on
 * @param abort ends the waiting for it
 * @returns the file that it left
 * @throws with the SDK's reason, or after five minutes
 */
export async function sdkDownload(
  folder: string,
  start: () => Promise<TestWorkflowEnvironment>,
  onProgress: (line: string) => void,
  abort?: AbortSignal,
): Promise<string> {
  const begun = Date.now();
  const ticker = setInterval(() => {
    onProgress(`downloading: ${Math.round((Date.now() - begun) / 1000)} s`);
  }, TELL_MS);
  const started = start();
  const limit = AbortSignal.timeout(LIMIT_MS);
  try {
    const environment = await unlessAborted(started, abort === undefined ? limit : AbortSignal.any([limit, abort]));
    await environment.teardown();
  } catch (error) {
    // The download cannot be called off; if it succeeds after all, nobody waits for its server.
    void started.then((late) => late.teardown()).catch(() => undefined);
    throw limit.aborted ? new Error('not downloaded within five minutes') : error;
  } finally {
    clearInterval(ticker);
  }
  const [file] = readdirSync(folder);
  if (file === undefined) throw new Error('the download left no file');
  return join(folder, file);
}

import { spawn } from 'node:child_process';
import { join } from 'node:path';

const LIMIT_MS = 25 * 60_000;
/** How often a running build says that it runs. */
const TELL_MS = 10_000;

/**
 * Builds a program with `go install`, telling all along what it does; the end of this program ends the build.
 *
 * @param go the path of Go's own program
 * @param module with its version, such as `example.com/cmd/tool@v1.0.0`
 * @param folder where the program is put
 * @param abort ends the build
 * @returns the program's path
 * @throws with Go's last line
 */
export async function goBuild(
  go: string,
  module: string,
  folder: string,
  onProgress: (line: string) => void,
  abort?: AbortSignal,
): Promise<string> {
  const begun = Date.now();
  const seconds = () => Math.round((Date.now() - begun) / 1000);
  let modules = 0;
  let lastDownload = begun;
  let last = '';
  const tell = () => {
    const doing = modules > 0 && Date.now() - lastDownload < 5_000 ? 'downloading' : 'compiling';
    onProgress(`building the Temporal server: ${seconds()} s, ${modules} modules downloaded, ${doing}`);
  };
  // Flags that are meant for the user's own modules, such as -mod=vendor, would break this build.
  const env = { ...process.env, GOBIN: folder, GOFLAGS: '-mod=mod' };
  const build = spawn(go, ['install', '-ldflags', '-s -w', module], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGINT', // Upon which Go ends its compilers too.
  });
  const stop = () => build.kill('SIGINT');
  abort?.addEventListener('abort', stop);
  process.once('exit', stop);
  const ticker = setInterval(tell, TELL_MS);
  try {
    await new Promise<void>((resolve, reject) => {
      build.stderr.setEncoding('utf8').on('data', (text: string) => {
        const first = modules === 0;
        for (const line of text.split('\n').filter((each) => each !== '')) {
          if (line.startsWith('go: downloading')) {
            modules++;
            lastDownload = Date.now();
          } else last = line;
        }
        if (first && modules > 0) tell();
      });
      build.once('error', reject);
      build.once('close', (code, signal) => {
        if (code === 0) resolve();
        else reject(new Error(`go install ended with ${signal ?? `code ${code ?? '?'}`}: ${last || 'no message'}`));
      });
    });
    onProgress(`built the Temporal server in ${seconds()} s`);
    return join(folder, 'temporal');
  } finally {
    clearInterval(ticker);
    abort?.removeEventListener('abort', stop);
    process.off('exit', stop);
  }
}

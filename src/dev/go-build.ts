import { spawn } from 'node:child_process';

const LIMIT_MS = 25 * 60_000;
/** How often a running build says that it runs. */
const TELL_MS = 10_000;

/** What {@link goBuild} builds. */
export interface GoBuild {
  /** For messages, such as `the Temporal server`. */
  readonly name: string;
  /** The path of Go's own program. */
  readonly go: string;
  /** Of one module, each with its version, such as `example.com/cmd/tool@v1.0.0`. */
  readonly packages: readonly string[];
  /** Where the programs are put, named as the last part of their packages. */
  readonly folder: string;
  readonly onProgress: (line: string) => void;
  /** Ends the build. */
  readonly abort?: AbortSignal;
}

/**
 * Builds programs with `go install`, telling all along what it does; the end of this program ends the build.
 *
 * @throws with Go's last line
 */
export async function goBuild({ name, go, packages, folder, onProgress, abort }: GoBuild): Promise<void> {
  const begun = Date.now();
  const seconds = () => Math.round((Date.now() - begun) / 1000);
  let modules = 0;
  let lastDownload = begun;
  let last = '';
  const tell = () => {
    const doing = modules > 0 && Date.now() - lastDownload < 5_000 ? 'downloading' : 'compiling';
    onProgress(`building ${name}: ${seconds()} s, ${modules} modules downloaded, ${doing}`);
  };
  // Flags that are meant for the user's own modules, such as -mod=vendor, would break this build.
  const env = { ...process.env, GOBIN: folder, GOFLAGS: '-mod=mod' };
  const build = spawn(go, ['install', '-ldflags', '-s -w', ...packages], {
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
    onProgress(`built ${name} in ${seconds()} s`);
  } finally {
    clearInterval(ticker);
    abort?.removeEventListener('abort', stop);
    process.off('exit', stop);
  }
}

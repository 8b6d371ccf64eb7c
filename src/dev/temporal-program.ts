import { execFile, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from './cache.js';
import { exclusively } from './build-lock.js';

const run = promisify(execFile);

/** Later versions cannot be installed by Go's module name. */
const VERSION = '1.5.1';
const MODULE = `github.com/temporalio/cli/cmd/temporal@v${VERSION}`;
const DOWNLOAD_LIMIT_MS = 60_000;
const BUILD_LIMIT_MS = 25 * 60_000;

/** One way to a program; resolves to its path, or to undefined if it does not apply here. */
export interface ProgramSource {
  /** For the message if nothing works, such as `a program on the PATH`. */
  readonly name: string;
  find(onProgress: (line: string) => void): Promise<string | undefined>;
}

/**
 * Finds a `temporal` program, or obtains one: on the PATH; obtained before; by the download of the SDK's own test
 * environment; built with Go.
 *
 * @throws one error that says what was tried, why each way failed, and what to do
 */
export async function temporalProgram(
  onProgress: (line: string) => void,
  sources: readonly ProgramSource[] = Object.values(programSources),
): Promise<string> {
  const tried: string[] = [];
  for (const source of sources) {
    try {
      const path = await source.find(onProgress);
      if (path !== undefined) {
        await run(path, ['--version'], { timeout: 20_000 });
        return path;
      }
      tried.push(`${source.name}: none`);
    } catch (error) {
      tried.push(`${source.name}: ${firstLine(error)}`);
    }
  }
  throw new Error(
    `no Temporal server could be had (${tried.join('; ')}): install the temporal program or Go, or set TEMPORAL_ADDRESS to a server that runs`,
  );
}

const onPath: ProgramSource = {
  name: 'a temporal program on the PATH',
  find: () => Promise.resolve(findOnPath('temporal')),
};

const inCache: ProgramSource = {
  name: 'one obtained before',
  find() {
    const path = cachedProgram();
    return Promise.resolve(existsSync(path) ? path : undefined);
  },
};

const bySdk: ProgramSource = {
  name: "the SDK's download",
  async find(onProgress) {
    onProgress('no temporal program here: trying to download one');
    const { TestWorkflowEnvironment } = await import('@temporalio/testing');
    const folder = scratchFolder();
    try {
      const started = TestWorkflowEnvironment.createLocal({
        server: {
          executable: { type: 'cached-download', downloadDir: folder },
          log: { format: 'pretty', level: 'never' },
        },
      });
      const environment = await withLimit(started, DOWNLOAD_LIMIT_MS, 'not downloaded within a minute');
      await environment.teardown();
      const [file] = readdirSync(folder);
      return file === undefined ? undefined : keep(join(folder, file));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

const byGo: ProgramSource = {
  name: 'a build with Go',
  async find(onProgress) {
    const go = findOnPath('go');
    if (go === undefined) throw new Error('there is no go program on the PATH');
    const wait = () => onProgress('another program builds the Temporal server: waiting for it');
    return exclusively(join(cacheFolder(), 'build.lock'), wait, () => inCacheOr(() => build(go, onProgress)));
  },
};

/** What another program built while this one waited for it. */
async function inCacheOr(build: () => Promise<string>): Promise<string> {
  const path = cachedProgram();
  return existsSync(path) ? path : build();
}

/** The ways to the program, in the order in which they are tried. */
export const programSources = { onPath, inCache, bySdk, byGo } as const;

async function build(go: string, onProgress: (line: string) => void): Promise<string> {
  onProgress(`building the Temporal server with Go, once, into ${cacheFolder()}: about five minutes`);
  const folder = scratchFolder();
  const begun = Date.now();
  let modules = 0;
  let lastDownload = begun;
  let last = '';
  const tell = () => {
    const seconds = Math.round((Date.now() - begun) / 1000);
    const doing = Date.now() - lastDownload > 5_000 && modules > 0 ? 'compiling' : 'downloading';
    onProgress(`building the Temporal server: ${seconds} s, ${modules} modules downloaded, ${doing}`);
  };
  const ticker = setInterval(tell, 10_000);
  try {
    await new Promise<void>((resolve, reject) => {
      const child = spawn(go, ['install', '-ldflags', '-s -w', MODULE], {
        env: { ...process.env, GOBIN: folder, GOFLAGS: '-mod=mod' },
        stdio: ['ignore', 'ignore', 'pipe'],
        timeout: BUILD_LIMIT_MS,
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        const first = modules === 0;
        for (const line of text.split('\n').filter((each) => each !== '')) {
          if (line.startsWith('go: downloading')) {
            modules++;
            lastDownload = Date.now();
          } else last = line;
        }
        if (first && modules > 0) tell();
      });
      child.once('error', reject);
      child.once('close', (code, signal) => {
        if (code === 0) resolve();
        else reject(new Error(`go install ended with ${signal ?? `code ${code ?? '?'}`}: ${last || 'no message'}`));
      });
    });
    onProgress(`built the Temporal server in ${Math.round((Date.now() - begun) / 1000)} s`);
    return keep(join(folder, process.platform === 'win32' ? 'temporal.exe' : 'temporal'));
  } finally {
    clearInterval(ticker);
    rmSync(folder, { recursive: true, force: true });
  }
}

function cachedProgram(): string {
  return join(cacheFolder(), `temporal-${VERSION}${process.platform === 'win32' ? '.exe' : ''}`);
}

/** Moves a finished program to where it is looked for, in one step: nobody ever sees half of it. */
function keep(path: string): string {
  chmodSync(path, 0o755);
  renameSync(path, cachedProgram());
  return cachedProgram();
}

/** A folder on the same disk as the cache, so that a file is moved from it in one step. */
function scratchFolder(): string {
  mkdirSync(cacheFolder(), { recursive: true });
  return mkdtempSync(join(cacheFolder(), 'obtaining-'));
}

/** The program of this name that a shell would start. */
export function findOnPath(name: string): string | undefined {
  const file = process.platform === 'win32' ? `${name}.exe` : name;
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, file))
    .find((path) => existsSync(path));
}

/** Rejects if the promise has not settled in time. */
export async function withLimit<T>(promise: Promise<T>, limitMs: number, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(message));
    }, limitMs);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** An error's message on one line, without its chain. */
export function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n')[0]?.slice(0, 300) ?? '';
}

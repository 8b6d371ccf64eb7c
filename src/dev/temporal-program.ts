import { execFile } from 'node:child_process';
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from './cache.js';
import { goBuild } from './go-build.js';
import { obtain } from './obtain.js';
import { sdkDownload } from './sdk-download.js';

const run = promisify(execFile);

/** Later versions cannot be installed by Go's module name. */
const VERSION = '1.5.1';
/** Earlier ones do not know the flags that the server is started with. */
const OLDEST = [1, 3];
const PACKAGE = `github.com/temporalio/cli/cmd/temporal@v${VERSION}`;

/** One way to a program; resolves to its path, or to undefined if it does not apply here. */
export interface ProgramSource {
  /** For the message if nothing works, such as `a program on the PATH`. */
  readonly name: string;
  find(onProgress: (line: string) => void, abort?: AbortSignal): Promise<string | undefined>;
}

/**
 * Finds a `temporal` program, or obtains one: on the PATH; obtained before; by the download of the SDK's own test
 * environment; built with Go.
 *
 * @param abort ends the search, with the signal's reason
 * @throws one error that says what was tried, why each way failed, and what to do
 */
export async function temporalProgram(
  onProgress: (line: string) => void,
  { sources = Object.values(programSources), abort }: { sources?: readonly ProgramSource[]; abort?: AbortSignal } = {},
): Promise<string> {
  const tried: string[] = [];
  for (const source of sources) {
    try {
      const path = await source.find(onProgress, abort);
      if (path !== undefined) {
        await mustRun(path);
        return path;
      }
      tried.push(`${source.name}: none`);
    } catch (error) {
      abort?.throwIfAborted();
      tried.push(`${source.name}: ${firstLine(error)}`);
    }
  }
  throw new Error(
    `no Temporal server could be had (${tried.join('; ')}): install the temporal program or Go, or set TEMPORAL_ADDRESS to a server that runs`,
  );
}

const onPath: ProgramSource = {
  name: 'a temporal program on the PATH',
  async find(onProgress) {
    const path = findOnPath('temporal');
    if (path === undefined) return undefined;
    const version = await mustRun(path);
    if (!isOld(version)) return path;
    const why = `${path} is version ${version}, older than ${OLDEST.join('.')}`;
    onProgress(`${why}: looking for another one`);
    throw new Error(why);
  },
};

const inCache: ProgramSource = {
  name: 'one obtained before',
  async find() {
    const path = cached();
    if (path === undefined) return undefined;
    try {
      await mustRun(path);
      return path;
    } catch (error) {
      // One that does not run, such as another machine's, is obtained again; one that is merely slow is not.
      if ((error as { killed?: boolean }).killed !== true) rmSync(path, { force: true });
      throw error;
    }
  },
};

const bySdk: ProgramSource = {
  name: "the SDK's download",
  find: (onProgress, abort) =>
    once(onProgress, abort, async (folder) => {
      onProgress('no temporal program here: trying to download one');
      const { TestWorkflowEnvironment } = await import('@temporalio/testing');
      const start = () =>
        TestWorkflowEnvironment.createLocal({
          server: {
            executable: { type: 'cached-download', downloadDir: folder },
            log: { format: 'pretty', level: 'never' },
          },
        });
      return keep(await sdkDownload(folder, start, onProgress, abort));
    }),
};

const byGo: ProgramSource = {
  name: 'a build with Go',
  async find(onProgress, abort) {
    const go = findOnPath('go');
    if (go === undefined) throw new Error('there is no go program on the PATH');
    return once(onProgress, abort, async (folder) => {
      onProgress(`building the Temporal server with Go, once, into ${cacheFolder()}: about five minutes`);
      await goBuild({ name: 'the Temporal server', go, packages: [PACKAGE], folder, onProgress, abort });
      return keep(join(folder, 'temporal'));
    });
  },
};

/** The ways to the program, in the order in which they are tried. */
export const programSources = { onPath, inCache, bySdk, byGo } as const;

function once(
  onProgress: (line: string) => void,
  abort: AbortSignal | undefined,
  work: (folder: string) => Promise<string>,
): Promise<string> {
  const onWait = () => {
    onProgress('another program downloads or builds the Temporal server: waiting for it');
  };
  return obtain({ name: 'temporal', find: cached, onWait, work, abort });
}

function cachePath(): string {
  return join(cacheFolder(), `temporal-${VERSION}`);
}

function cached(): string | undefined {
  return existsSync(cachePath()) ? cachePath() : undefined;
}

function keep(file: string): string {
  chmodSync(file, 0o755);
  renameSync(file, cachePath());
  return cachePath();
}

/** @returns its version @throws if it cannot be run */
async function mustRun(path: string): Promise<string> {
  const { stdout } = await run(path, ['--version'], { timeout: 20_000 });
  return /\d+\.\d+\.\d+\S*/.exec(stdout)?.[0] ?? 'unknown';
}

/** One that its owner built calls itself 0.0.0-DEV, and tells nothing of its age. */
function isOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST;
  return /^\d+\.\d+\.\d+$/.test(version) && (major < oldestMajor || (major === oldestMajor && minor < oldestMinor));
}

/** The program of this name that a shell would start. */
export function findOnPath(name: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

/** An error's message on one line, without its chain. */
export function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n')[0]?.slice(0, 300) ?? '';
}

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
const MODULE = `github.com/temporalio/cli/cmd/temporal@v${VERSION}`;

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
        await mustRun(path);
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
  find: (onProgress) =>
    once(onProgress, async (folder) => {
      onProgress('no temporal program here: trying to download one');
      const { TestWorkflowEnvironment } = await import('@temporalio/testing');
      const file = await sdkDownload(folder, () =>
        TestWorkflowEnvironment.createLocal({
          server: {
            executable: { type: 'cached-download', downloadDir: folder },
            log: { format: 'pretty', level: 'never' },
          },
        }),
      );
      return keep(file);
    }),
};

const byGo: ProgramSource = {
  name: 'a build with Go',
  async find(onProgress) {
    const go = findOnPath('go');
    if (go === undefined) throw new Error('there is no go program on the PATH');
    return once(onProgress, async (folder) => {
      onProgress(`building the Temporal server with Go, once, into ${cacheFolder()}: about five minutes`);
      return keep(await goBuild(go, MODULE, folder, onProgress));
    });
  },
};

/** The ways to the program, in the order in which they are tried. */
export const programSources = { onPath, inCache, bySdk, byGo } as const;

function once(onProgress: (line: string) => void, work: (folder: string) => Promise<string>): Promise<string> {
  const onWait = () => {
    onProgress('another program downloads or builds the Temporal server: waiting for it');
  };
  return obtain({ name: 'temporal', find: cached, onWait, work });
}

function cachePath(): string {
  return join(cacheFolder(), `temporal-${VERSION}${process.platform === 'win32' ? '.exe' : ''}`);
}

function cached(): string | undefined {
  return existsSync(cachePath()) ? cachePath() : undefined;
}

function keep(file: string): string {
  chmodSync(file, 0o755);
  renameSync(file, cachePath());
  return cachePath();
}

async function mustRun(path: string): Promise<void> {
  await run(path, ['--version'], { timeout: 20_000 });
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

/** An error's message on one line, without its chain. */
export function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n')[0]?.slice(0, 300) ?? '';
}

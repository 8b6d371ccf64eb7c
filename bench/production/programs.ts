import { execFile } from 'node:child_process';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../../src/dev/cache.js';
import { goBuild } from '../../src/dev/go-build.js';
import { obtain } from '../../src/dev/obtain.js';
import { findOnPath, firstLine } from '../../src/dev/temporal-program.js';

const run = promisify(execFile);

const VERSION = '1.29.1';
const packages = ['cmd/server', 'cmd/tools/sql'].map((each) => `go.temporal.io/server/${each}@v${VERSION}`);

/** The programs of Temporal's production server, as paths. */
export interface ProductionPrograms {
  readonly server: string;
  /** Makes the tables; it carries their definitions in itself. */
  readonly sql: string;
}

/**
 * The programs that were built before, or else builds them with Go, once, into the cache.
 *
 * @throws one line that says why they cannot be had, and what to do
 */
export async function productionPrograms(onProgress: (line: string) => void): Promise<ProductionPrograms> {
  const folder = join(cacheFolder(), `production-server-${VERSION}`);
  const programs = { server: join(folder, 'server'), sql: join(folder, 'sql') };
  const find = () => (existsSync(folder) ? folder : undefined);
  try {
    // Such as another machine's, which do not run here, are built again; those that are merely slow are not.
    if (find() !== undefined) {
      await mustRun(programs).catch((error: unknown) => {
        if ((error as { killed?: boolean }).killed === true) throw error;
        rmSync(folder, { recursive: true, force: true });
      });
    }
    if (find() !== undefined) return programs;
    const go = findOnPath('go');
    if (go === undefined) throw new Error('there is no go program on the PATH');
    await obtain({
      name: 'production-server',
      find,
      onWait: () => {
        onProgress("another program builds Temporal's production server: waiting for it");
      },
      async work(draft) {
        onProgress(`building Temporal's production server with Go, once, into ${cacheFolder()}: about five minutes`);
        await goBuild({ name: "Temporal's production server", go, packages, folder: draft, onProgress });
        renameSync(draft, folder);
        return folder;
      },
    });
    await mustRun(programs);
    return programs;
  } catch (error) {
    throw new Error(
      `Temporal's production server could not be had (${firstLine(error)}): install Go, or set TEMPORAL_ADDRESS to a server that runs`,
      { cause: error },
    );
  }
}

/** @throws if one of them cannot be run */
async function mustRun(programs: ProductionPrograms): Promise<void> {
  for (const path of [programs.server, programs.sql]) await run(path, ['--version'], { timeout: 20_000 });
}

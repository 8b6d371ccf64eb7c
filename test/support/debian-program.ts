import { readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { findOnPath, firstLine } from '../../src/dev/temporal-program.js';
import { type DebianPackage, unpackedPackage } from './debian-package.js';

/** A program, and where it finds its libraries. */
export interface FoundProgram {
  readonly command: string;
  readonly env: NodeJS.ProcessEnv;
}

/** A program of one of the distribution's packages. */
export interface DebianProgram extends DebianPackage {
  /** What it is called on the PATH, where this machine has it, or another that does the same. */
  readonly installed: readonly string[];
  /** Its place below `/`. */
  readonly path: string;
}

/**
 * A program of this machine; else of the distribution's package, unpacked into the cache.
 *
 * @returns undefined where it cannot be had, and tells why in one line
 */
export async function debianProgram(
  program: DebianProgram,
  onProgress: (line: string) => void,
): Promise<FoundProgram | undefined> {
  try {
    const [command] = program.installed.map((name) => findOnPath(name)).filter((path) => path !== undefined);
    if (command !== undefined) return { command, env: {} };
    const root = await unpackedPackage(program, onProgress);
    return {
      command: join(root, program.path),
      env: { LD_LIBRARY_PATH: librariesIn(join(root, 'usr/lib')).join(delimiter) },
    };
  } catch (error) {
    onProgress(`no ${program.called} could be had (${firstLine(error)}): its tests are skipped`);
    return undefined;
  }
}

/** The folders of a distribution's libraries, and those that single packages have within. */
function librariesIn(folder: string): string[] {
  const foldersIn = (parent: string) =>
    readdirSync(parent, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(parent, name));
  const shared = foldersIn(folder).filter((each) => each.endsWith('-linux-gnu'));
  return shared.flatMap((each) => [each, ...foldersIn(each)]);
}

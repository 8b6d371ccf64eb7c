import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { endProcess, identify, isAlive, type ProcessIdentity } from './processes.js';

/**
 * The folder in which the development servers keep everything, used by one program at a time.
 *
 * `lock.json` says who uses it; `children.json` says which servers were started, so that the next program can end those
 * of one that was killed. A folder whose lock is held by a living program is left alone: the next one, `side-1`,
 * `side-2`, … is taken instead. A lock of a dead program (or of another process that has got its number) is taken over.
 */
export class StateFolder {
  readonly path: string;
  readonly #children: ChildRecord[] = [];

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Opens the folder `main` below `root`, or the first free one beside it.
   *
   * @param fresh whether to empty it
   * @throws if more than 20 programs use the folder
   */
  static async open(root: string, fresh: boolean, onProgress: (line: string) => void): Promise<StateFolder> {
    for (const name of ['main', ...Array.from({ length: 20 }, (_, index) => `side-${index + 1}`)]) {
      const path = resolve(root, name);
      mkdirSync(path, { recursive: true });
      if (!lock(path)) continue;
      if (name !== 'main') onProgress(`another program uses ${resolve(root, 'main')}: using ${path} beside it`);
      const state = new StateFolder(path);
      await state.#endOrphans(onProgress);
      if (fresh) state.#empty();
      return state;
    }
    throw new Error(`more than 20 programs use ${root}: stop some, or choose another folder with --state`);
  }

  /** Remembers a server that was started, so that it can be ended if this program is killed. */
  record(name: string, pid: number, signal: NodeJS.Signals): void {
    const identity = identify(pid);
    if (identity) this.#children.push({ name, signal, ...identity });
    this.#write('children.json', this.#children);
  }

  file(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** Gives the folder up, after the servers were stopped. */
  close(remove: boolean): void {
    if (remove) rmSync(this.path, { recursive: true, force: true });
    else for (const name of ['children.json', 'lock.json']) rmSync(this.file(name), { force: true });
  }

  async #endOrphans(onProgress: (line: string) => void): Promise<void> {
    const orphans = readJson<ChildRecord[]>(this.file('children.json')) ?? [];
    for (const orphan of orphans.filter(isAlive)) {
      onProgress(`ending ${orphan.name} (process ${orphan.pid}), left behind by a program that was killed`);
      await endProcess(orphan, orphan.signal);
    }
    this.#write('children.json', []);
  }

  #empty(): void {
    for (const name of readdirSync(this.path)) {
      if (name !== 'lock.json') rmSync(this.file(name), { recursive: true, force: true });
    }
  }

  #write(name: string, value: unknown): void {
    writeFileSync(this.file(name), JSON.stringify(value));
  }
}

interface ChildRecord extends ProcessIdentity {
  readonly name: string;
  readonly signal: NodeJS.Signals;
}

/** Takes the lock; false if a living program holds it. */
function lock(path: string): boolean {
  const file = join(path, 'lock.json');
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      writeFileSync(file, JSON.stringify(identify(process.pid)), { flag: 'wx' });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = readJson<ProcessIdentity>(file);
    if (holder !== undefined && isAlive(holder)) return false;
    // Two programs may find the same stale lock: only one of them can move it away.
    try {
      renameSync(file, `${file}.stale-${process.pid}`);
      rmSync(`${file}.stale-${process.pid}`, { force: true });
    } catch {
      // Another was faster.
    }
  }
  return false;
}

function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

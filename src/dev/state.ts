import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { takeLock, takeStaleLock } from './lock-file.js';
import { endProcess, identify, isAlive, type ProcessIdentity } from './processes.js';

type Progress = (line: string) => void;

const TEMPORARY = 'backstitch-run-';
const OUTSIDE = 'backstitch-data-';

/**
 * The folder in which the development servers keep everything, used by one program at a time.
 *
 * `lock.json` says who uses it; `children.json` says which servers were started, so that the next program can end those
 * of one that was killed. A folder whose lock is held by a living program is left alone: the next one, `side-1`,
 * `side-2`, … is taken instead.
 */
export class StateFolder {
  readonly path: string;
  readonly #children: ChildRecord[] = [];

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Opens the folder `main` below `root`, or the first free one beside it; ends what killed programs left running in any.
   *
   * @param fresh whether to empty it
   * @throws if more than 20 programs use the folder
   */
  static async open(root: string, fresh: boolean, onProgress: Progress): Promise<StateFolder> {
    for (const name of ['main', ...Array.from({ length: 20 }, (_, index) => `side-${index + 1}`)]) {
      const path = resolve(root, name);
      mkdirSync(path, { recursive: true });
      if (!takeLock(join(path, 'lock.json'))) continue;
      if (name !== 'main') onProgress(`another program uses ${resolve(root, 'main')}: using ${path} beside it`);
      const state = new StateFolder(path);
      await state.#endOrphans(onProgress);
      if (fresh) state.empty();
      for (const other of readdirSync(root))
        (await StateFolder.#ofKilled(resolve(root, other), onProgress))?.close(false);
      return state;
    }
    throw new Error(`more than 20 programs use ${root}: stop some, or choose another folder with --state`);
  }

  /** A folder for one run, which nobody else finds; removes those of runs that were killed. */
  static async temporary(onProgress: Progress): Promise<StateFolder> {
    for (const name of readdirSync(tmpdir()).filter((each) => each.startsWith(TEMPORARY))) {
      (await StateFolder.#ofKilled(join(tmpdir(), name), onProgress))?.close(true);
    }
    const path = mkdtempSync(join(tmpdir(), TEMPORARY));
    chmodSync(path, 0o711); // PostgreSQL's own user must get through.
    takeLock(join(path, 'lock.json'));
    return new StateFolder(path);
  }

  /** Takes over a folder whose program was killed, and ends its servers; undefined for any other. */
  static async #ofKilled(path: string, onProgress: Progress): Promise<StateFolder | undefined> {
    try {
      // Nobody's word but one's own on which processes to end.
      if (statSync(path).uid !== process.getuid?.() || !takeStaleLock(join(path, 'lock.json'))) return undefined;
    } catch {
      return undefined; // Gone in between.
    }
    const state = new StateFolder(path);
    await state.#endOrphans(onProgress);
    return state;
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

  /** A folder elsewhere, the same every time, for a server whose user cannot reach this one; emptied with this one. */
  outside(): string {
    const file = this.file('outside');
    if (!existsSync(file)) writeFileSync(file, join(tmpdir(), `${OUTSIDE}${randomBytes(6).toString('hex')}`));
    return readFileSync(file, 'utf8');
  }

  /** Gives the folder up, after the servers were stopped. */
  close(remove: boolean): void {
    if (remove) {
      this.empty();
      rmSync(this.path, { recursive: true, force: true });
    } else for (const name of ['children.json', 'lock.json']) rmSync(this.file(name), { force: true });
  }

  async #endOrphans(onProgress: Progress): Promise<void> {
    const orphans = this.#recorded();
    for (const orphan of orphans.filter(isAlive)) {
      onProgress(`ending ${orphan.name} (process ${orphan.pid}), left behind by a program that was killed`);
      await endProcess(orphan, orphan.signal);
    }
    this.#write('children.json', []);
  }

  /** Removes all that is kept, while no server runs on it. */
  empty(): void {
    if (existsSync(this.file('outside'))) {
      const outside = this.outside();
      if (basename(outside).startsWith(OUTSIDE)) rmSync(outside, { recursive: true, force: true });
    }
    for (const name of readdirSync(this.path)) {
      if (name !== 'lock.json') rmSync(this.file(name), { recursive: true, force: true });
    }
  }

  /** The servers that the folder's last program has not given up. */
  #recorded(): ChildRecord[] {
    try {
      return JSON.parse(readFileSync(this.file('children.json'), 'utf8')) as ChildRecord[];
    } catch {
      return [];
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

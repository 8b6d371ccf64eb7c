import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it was started, in whatever unit the system counts: only equality means something. */
  readonly started: string;
}

/** Identifies a living process; undefined if there is none with this number. */
export function identify(pid: number): ProcessIdentity | undefined {
  const started = existsSync('/proc/self/stat') ? startedByProc(pid) : startedByPs(pid);
  return started === undefined ? undefined : { pid, started };
}

function startedByProc(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The program's name stands in parentheses and may hold anything; the start time is the 20th field after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function startedByPs(pid: number): string | undefined {
  try {
    // The same words for the same moment, whatever the locale and the time zone of who asks.
    const env = { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' };
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', env }).trim() || undefined;
  } catch {
    return undefined;
  }
}

/** Whether this very process still lives. */
export function isAlive({ pid, started }: ProcessIdentity): boolean {
  return identify(pid)?.started === started;
}

/** What a process was started with; empty if there is none. */
export function commandLine(pid: number): string {
  try {
    if (existsSync('/proc/self/stat')) return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return '';
  }
}

/** Whether a process has this working folder. False where the system does not tell. */
export function livesIn(folder: string): boolean {
  if (!existsSync('/proc/self/cwd')) return false;
  const path = realpathSync(folder);
  return readdirSync('/proc').some((name) => {
    try {
      return /^\d+$/.test(name) && readlinkSync(`/proc/${name}/cwd`) === path;
    } catch {
      return false; // Ended in between, or another user's.
    }
  });
}

/** Asks a process to stop, and kills it if it has not within the limit. Does nothing if it is gone. */
export async function endProcess(process: ProcessIdentity, signal: NodeJS.Signals, limitMs = 10_000): Promise<void> {
  for (const [next, limit] of [
    [signal, limitMs],
    ['SIGKILL', 5_000],
  ] as const) {
    if (!isAlive(process)) return;
    send(process.pid, next);
    for (const until = Date.now() + limit; isAlive(process) && Date.now() < until;) await delay(20);
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended in between.
  }
}

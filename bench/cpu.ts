import { readdirSync, readFileSync } from 'node:fs';

/**
 * CPU time of processes that are not this one, from Linux's /proc.
 */

/** Ticks a second in /proc: the same on every Linux architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

interface ProcessTimes {
  readonly pid: number;
  readonly parent: number;
  /** Its own time, and that of its children that have ended and were waited for, in seconds. */
  readonly seconds: number;
}

/**
 * Reads one line of /proc/PID/stat. The second field is the program's name in brackets, and may itself hold blanks and
 * brackets; the times are fields 14 to 17.
 */
export function parseStat(line: string): ProcessTimes {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  const ticks = [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0);
  return { pid: Number.parseInt(line, 10), parent: Number(fields[1]), seconds: ticks / TICKS_PER_SECOND };
}

/** The seconds of the given processes with everything that descends from them, alive or ended. */
export function treeSeconds(processes: readonly ProcessTimes[], roots: readonly number[]): number {
  const sum = (pid: number): number =>
    processes.reduce((total, each) => {
      if (each.pid === pid) return total + each.seconds;
      return each.parent === pid ? total + sum(each.pid) : total;
    }, 0);
  return roots.reduce((total, root) => total + sum(root), 0);
}

/** CPU seconds used so far by this process and the given others with all that they started; null if unknown here. */
export function cpuSeconds(others: readonly number[] | undefined): number | null {
  if (process.platform !== 'linux' || others === undefined) return null;
  const processes: ProcessTimes[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      processes.push(parseStat(readFileSync(`/proc/${entry}/stat`, 'latin1')));
    } catch {
      // It ended between the listing and the reading; its parent has its time.
    }
  }
  const { user, system } = process.cpuUsage();
  return treeSeconds(processes, others) + (user + system) / 1e6;
}

import { setTimeout as sleep } from 'node:timers/promises';
import { Rejection, type Probe } from '../kit/database/index.js';
import type { Operation } from '../kit/workflow/branch.js';

/**
 * Adjustable faults, for tests and demos: what can go wrong with an operation, at the guard's crash points.
 *
 * - `refuse`: the work says no, as a {@link Rejection} `Refused`.
 * - `fail`: the first attempts fail before anything was done.
 * - `fail-worked`: the first attempts fail when the work is done and not committed: it is rolled back.
 * - `hang`: nothing is done, and no answer comes until the caller gives up.
 * - `die-after-commit`: the first attempts commit, and their reply is lost.
 * - `kill-after-commit`: the first attempts commit, and the process is killed.
 */
const faultKinds = ['refuse', 'fail', 'fail-worked', 'hang', 'die-after-commit', 'kill-after-commit'] as const;
type FaultKind = (typeof faultKinds)[number];

/** A fault, and what it befalls. */
export interface Fault {
  /** The function's full name, such as `payments.charge.action`. */
  readonly function: string;
  readonly kind: FaultKind;
  /** How many first attempts of each operation it befalls. Default: 1; for `refuse` and `hang`: all. */
  readonly attempts?: number;
  /** The transactions it befalls; `*` stands for any text. Default: all. */
  readonly gid?: string;
}

/** The point of the guard at which a fault strikes. */
export const faultPoints = {
  refuse: 'working',
  fail: 'before',
  'fail-worked': 'worked',
  hang: 'before',
  'die-after-commit': 'committed',
  'kill-after-commit': 'committed',
} as const satisfies Record<FaultKind, Parameters<Probe>[0]>;

/** An error that a fault throws in place of a broken connection or a lost reply: it says nothing of the outcome. */
class InjectedFault extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InjectedFault';
  }
}

/** A set of faults, to inject as the guards' probe. */
export interface Faults {
  readonly probe: Probe;
  /** Adds a fault. */
  set(fault: Fault): void;
  /** Removes all faults. */
  clear(): void;
}

/** Makes a set of faults, empty to begin with. */
export function createFaults(): Faults {
  let faults: { fault: Fault; matches: (gid: string) => boolean }[] = [];
  return {
    async probe(point, operation) {
      for (const { fault, matches } of faults) {
        if (fault.function !== operation.function || faultPoints[fault.kind] !== point || !matches(operation.gid))
          continue;
        if (operation.attempt <= (fault.attempts ?? defaultAttempts(fault.kind))) await strike(fault, operation);
      }
    },
    set: (fault) => void faults.push({ fault, matches: matcher(fault.gid ?? '*') }),
    clear: () => void (faults = []),
  };
}

function defaultAttempts(kind: FaultKind): number {
  return kind === 'refuse' || kind === 'hang' ? Infinity : 1;
}

function matcher(pattern: string): (gid: string) => boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  const expression = new RegExp(`^${parts.join('.*')}$`);
  return (gid) => expression.test(gid);
}

async function strike({ kind }: Fault, operation: Operation): Promise<void> {
  const where = `${operation.function} of ${operation.gid}, attempt ${operation.attempt}`;
  switch (kind) {
    case 'refuse':
      throw new Rejection('Refused', `a fault was set: ${where} is refused`);
    case 'fail':
    case 'fail-worked':
      throw new InjectedFault(`a fault was set: ${where} fails`);
    case 'hang':
      // No longer than the attempt may take: by then the caller has given up, even if no signal reached us.
      await sleep(operation.timeoutMs, undefined, { signal: operation.signal });
      throw new InjectedFault(`a fault was set: ${where} did not answer within ${operation.timeoutMs} ms`);
    case 'die-after-commit':
      throw new InjectedFault(`a fault was set: ${where} was committed, its reply is lost`);
    case 'kill-after-commit':
      process.kill(process.pid, 'SIGKILL');
  }
}

const FORM = /^(?<name>[a-z]\w*\.\w+\.[a-z]+):(?<kind>[a-z-]+)(?:=(?<attempts>[1-9]\d{0,5}))?(?:@(?<gid>[^\s,@]+))?$/;

/**
 * Reads a fault's compact form: `function:kind[=attempts][@gid]`.
 *
 * @example `payments.charge.action:refuse@order-cdnow-00003`, `inventory.reserve.action:fail=2`
 * @throws an Error of one line that says what is wrong with the text
 */
export function parseFault(text: string): Fault {
  const groups = FORM.exec(text)?.groups;
  const wrong = (rule: string) => new Error(`the fault '${text}' cannot be read: ${rule}`);
  if (!groups?.name) {
    throw wrong("write function:kind[=attempts][@gid], such as 'payments.charge.action:refuse@order-cdnow-00003'");
  }
  const { name, kind: given, attempts, gid } = groups;
  const kind = faultKinds.find((known) => known === given);
  if (!kind) throw wrong(`'${given}' is none of ${faultKinds.join(', ')}`);
  return { function: name, kind, ...(attempts && { attempts: Number(attempts) }), ...(gid && { gid }) };
}

import {
  announcementsOf,
  Barred,
  createGuard,
  Decided,
  DrivenElsewhere,
  InputMismatch,
  Rejection,
  Suspended,
  Undone,
  type Database,
  type Operation,
  type Sql,
} from '../../../../src/kit/database/index.js';
import { groupsOf } from '../../../../src/kit/database/group/groups.js';
import { groupDriver, type Fate } from '../../../../src/kit/workflow/fate.js';
import type { Part, Play } from './interleave.js';

/**
 * Drivers of one transaction of two steps (`a`, then `b`, each with an undo), which meet in one database: each plays the
 * protocol of its lane, statement by statement. What a driver answers is how the transaction has ended, or that it has
 * left it to its workflow.
 */

export type DriverKind =
  | 'group'
  | 'refused group'
  | 'same group'
  | 'direct'
  | 'refused direct'
  | 'workflow'
  | 'refused workflow'
  | 'stopped workflow'
  | 'cut workflow'
  | 'adopting workflow'
  | 'stopped adopting workflow';

/** How a driver leaves its transaction. */
export type DriverAnswer = 'committed' | 'compensated' | 'left';

const EFFECT = { a: 1, b: 10 } as const;
type Step = keyof typeof EFFECT;

/** What the effects of all steps sum up to. */
export const ALL = EFFECT.a + EFFECT.b;

class Driver {
  readonly gid: string;
  readonly db: Database;
  readonly #refuses: boolean;
  readonly #name: string;
  readonly #guard: ReturnType<typeof createGuard>;
  /** Whether this run has taken the transaction over. */
  #adopted = false;
  /** The steps that are known to be applied. */
  #applied: Step[] = [];

  constructor({ gid, db, gate }: Pick<Part, 'gid' | 'db' | 'gate'>, name: string, refuses: boolean) {
    this.gid = gid;
    this.db = db;
    this.#name = name;
    this.#refuses = refuses;
    // Between the commit and the reply, too, a process may die.
    this.#guard = createGuard(db, { probe: (point) => (point === 'committed' ? gate() : Promise.resolve()) });
  }

  begin(adopted: boolean): void {
    this.#adopted = adopted;
    this.#applied = [];
  }

  async apply(step: Step, more: Partial<Operation> = {}): Promise<void> {
    await this.#guard.apply(this.#operation(step, 'action', more), {}, async (sql) => {
      if (step === 'b' && this.#refuses) throw new Rejection('Refused', `refused by ${this.#name}`);
      await this.#effect(sql, EFFECT[step]);
      return { by: this.#name };
    });
    this.#applied.push(step);
  }

  /** Finds out what became of a step, and bars it if nothing did. */
  async settle(step: Step): Promise<void> {
    try {
      await this.apply(step, { settle: true });
    } catch (error) {
      if (error instanceof Undone) this.#applied.push(step);
      else if (!(error instanceof Barred || error instanceof Rejection)) throw error;
    }
  }

  async undo(): Promise<void> {
    for (const step of this.#applied.reverse()) {
      await this.#guard.undo(this.#operation(step, 'compensation'), {}, (sql) => this.#effect(sql, -EFFECT[step]));
    }
  }

  async #effect(sql: Sql, amount: number): Promise<void> {
    await sql('insert into ledger (gid, amount) values ($1, $2)', [this.gid, amount]);
  }

  #operation(branch: Step, op: 'action' | 'compensation', more: Partial<Operation> = {}): Operation {
    return {
      ...{ gid: this.gid, branch, op, scheme: 'saga', seq: branch === 'a' ? 1 : 2, function: `${branch}.${op}` },
      ...{ driver: this.#name, who: this.#name, attempt: 1, timeoutMs: 60_000 },
      ...{ signal: new AbortController().signal, ...(this.#adopted && { adopted: true }), ...more },
    };
  }
}

export function fate(state: 'committed' | 'compensated'): Fate {
  const from = { transaction: 'pair', inputHash: 'same', lane: 'test' };
  if (state === 'committed') return { ...from, state, result: 'done' };
  const report = {
    gid: '',
    scheme: 'saga',
    state,
    cause: { type: 'Refused', message: '' },
    undone: [],
    notUndone: [],
  } as const;
  return { ...from, state, report, message: 'refused' };
}

/** Whether an error is a definite no, after which a transaction is undone. */
function isNo(error: unknown): boolean {
  return error instanceof Rejection || error instanceof Suspended || error instanceof InputMismatch;
}

/** @param name of the group: two workers may carry one and the same member, if a task of its workflow was lost */
/** Why it is undone. */
const CAUSE = { type: 'Refused', message: 'no' };

async function driveGroup(part: Part, refuses: boolean, group: string): Promise<DriverAnswer> {
  const name = groupDriver(`${part.gid}-${group}`, 0);
  const driver = new Driver(part, name, refuses);
  const home = { gid: part.gid, branch: 'a', driver: name };
  const groups = groupsOf(part.db);
  const end = async (from: 'running' | 'undoing', state: 'committed' | 'compensated') =>
    (await groups.end([{ ...home, from, fate: fate(state) }])).size > 0 ? state : 'left';
  try {
    await driver.apply('a', { opening: { transaction: 'pair', inputHash: 'same', written: () => undefined } });
    await driver.apply('b');
  } catch (error) {
    if (error instanceof Decided) return error.fate.state as DriverAnswer;
    // Suspended: its own undo came first, which is another's.
    if (!(error instanceof Rejection) || !(await groups.undo({ ...home, cause: CAUSE }))) return 'left';
    try {
      await driver.undo();
    } catch (undoing) {
      if (undoing instanceof DrivenElsewhere || undoing instanceof Decided) return 'left';
      throw undoing;
    }
    return end('undoing', 'compensated');
  }
  return end('running', 'committed');
}

async function driveDirect(part: Part, refuses: boolean): Promise<DriverAnswer> {
  const owner = `direct:${part.name}`;
  const driver = new Driver(part, owner, refuses);
  const announcements = announcementsOf(part.db);
  const start = { transaction: 'pair', scheme: 'saga', taskQueue: 'none', input: {}, inputHash: 'same' } as const;
  const end = async (from: 'running' | 'undoing', state: 'committed' | 'compensated') =>
    (await announcements.end(part.gid, owner, from, fate(state))) ? state : 'left';
  try {
    await driver.apply('a', {
      announcement: { start: JSON.stringify(start), takeOverMs: 60_000, written: () => undefined },
    });
    await driver.apply('b');
  } catch (error) {
    if (error instanceof Decided) return error.fate.state as DriverAnswer;
    if (!isNo(error) || !(await announcements.undo(part.gid, owner, CAUSE))) return 'left';
    await driver.undo();
    return end('undoing', 'compensated');
  }
  return end('running', 'committed');
}

interface WorkflowRun {
  readonly refuses?: boolean;
  /** It was started to take over; else it takes over when it meets another driver. */
  readonly adopts?: boolean;
  /** It is stopped before it asks for a step: it looks at all, and undoes. */
  readonly stopped?: boolean;
  /** It is stopped after its first step: it undoes that if it is alone, else it looks at all. */
  readonly cut?: boolean;
}

async function driveWorkflow(part: Part, run: WorkflowRun): Promise<DriverAnswer> {
  const { refuses = false, adopts = false, stopped = false, cut = false } = run;
  // One workflow has a gid, and every run of it the same name here.
  const driver = new Driver(part, 'workflow:it', refuses);
  const announcements = announcementsOf(part.db);
  for (let takesOver = adopts; ;) {
    driver.begin(takesOver);
    let undoing = stopped;
    if (takesOver) {
      const found = await announcements.adopt(part.gid);
      if (found.fate !== undefined) return found.fate.state as DriverAnswer;
      if (found.conflict) throw new Error('nobody has another input here');
      undoing ||= found.state === 'undoing';
    }
    let state: 'committed' | 'compensated' = 'compensated';
    try {
      if (undoing) {
        await driver.settle('a');
        await driver.settle('b');
      } else {
        await driver.apply('a');
        if (!cut) {
          await driver.apply('b');
          state = 'committed';
        } else if (takesOver) await driver.settle('b');
      }
    } catch (error) {
      if (error instanceof Decided) return error.fate.state as DriverAnswer;
      if (error instanceof DrivenElsewhere) {
        takesOver = true;
        continue;
      }
      if (!isNo(error)) throw error;
    }
    if (state === 'compensated') await driver.undo();
    if (takesOver) await announcements.end(part.gid, 'workflow', undefined, fate(state));
    return state;
  }
}

/** Plays a driver to its end. */
export const playDriver: Play<DriverKind> = (kind, part) => {
  const refuses = kind.startsWith('refused');
  if (kind.endsWith('group')) return driveGroup(part, refuses, kind === 'same group' ? 'same' : part.name);
  if (kind.endsWith('direct')) return driveDirect(part, refuses);
  const [adopts, stopped, cut] = ['adopting', 'stopped', 'cut'].map((how) => kind.includes(how));
  return driveWorkflow(part, { refuses, adopts, stopped, cut });
};

/** The workflow that what was left goes on as; or that runs again, as its worker has died. */
export function takeOver(gid: string, db: Database): Promise<DriverAnswer> {
  return driveWorkflow({ gid, name: 'last', db, gate: () => Promise.resolve() }, { adopts: true });
}

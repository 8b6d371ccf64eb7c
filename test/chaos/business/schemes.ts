import type { Seen } from './banks.js';
import type { TransactionName, Wanted } from './business.js';
import { legsOf, type AskedLeg } from './legs.js';

/** What may be found of one transfer at a moment at which nothing is being written, by its scheme. */

/** All that the banks have of one transfer. */
export type Kept = { [Kind in Exclude<keyof Seen, 'accounts'>]: Seen[Kind][number][] };

/** What was found of it. */
interface Judgement {
  readonly problems: readonly string[];
  /** What it is still to move, as it has moved something: what is to come in, less what is to leave, in cents. */
  readonly toCome: number;
}

/** A transfer, compared with what was asked of it. */
interface Compared extends Kept {
  readonly legs: ReadonlyMap<string, AskedLeg>;
  /** Branches that have moved something, and those that have not moved it back. */
  readonly begun: ReadonlySet<string>;
  readonly moved: ReadonlySet<string>;
  readonly wrong: (what: string) => void;
}

interface Scheme {
  /** What is moved may be moved back. */
  readonly undoes: boolean;
  /** What it keeps besides its movements. */
  readonly keeps: readonly (keyof typeof words)[];
  /** Names what else is wrong. @returns what is still to be moved, if something was */
  judge(transfer: Compared): number;
}

const words = { holds: 'held', announced: 'announced', prepared: 'prepared' } as const;

/** Compares what is kept of a transfer with what was asked of it. */
export function judgeTransfer(wanted: Wanted, kept: Kept): Judgement {
  const problems: string[] = [];
  const wrong = (what: string) => void problems.push(`${wanted.gid}: ${what}`);
  const scheme = schemes[wanted.transaction];
  if (scheme === undefined) return { problems: [`${wanted.gid}: ${wanted.transaction} moves no money`], toCome: 0 };
  const legs = legsOf(wanted);
  const begun = new Set<string>();
  for (const { bank, branch, account, kind, amount } of kept.entries) {
    const leg = legs.get(branch);
    const isDone = kind === leg?.kind && amount === leg.amount;
    const isUndone = scheme.undoes && kind === `${leg?.kind}-undone` && amount === -(leg?.amount ?? 0);
    if (leg?.at !== `${bank}:${account}` || !(isDone || isUndone))
      wrong(`${branch}: ${kind} of ${amount} on ${bank}:${account} was not asked`);
    else if (isDone) begun.add(branch);
  }
  const moved = new Set<string>();
  for (const [branch, { at, amount }] of legs) {
    const net = sum(kept.entries.filter((each) => each.branch === branch).map((each) => each.amount));
    if (net === amount) moved.add(branch);
    else if (net !== 0) wrong(`${branch}: ${net} on ${at} in all, and ${amount} asked`);
  }
  for (const kind of ['holds', 'announced', 'prepared'] as const)
    if (kept[kind].length > 0 && !scheme.keeps.includes(kind)) wrong(`its scheme leaves nothing ${words[kind]}`);
  const toCome = scheme.judge({ ...kept, legs, begun, moved, wrong });
  return { problems, toCome: moved.size > 0 ? toCome : 0 };
}

/** Nothing comes in before all that is to leave has left. What was not moved, or is moved back, is to come. */
const saga: Scheme = {
  undoes: true,
  keeps: [],
  judge({ legs, begun, moved, wrong }) {
    const late = [...legs].filter(([branch, { kind }]) => kind === 'debit' && !begun.has(branch));
    const hasCredit = [...legs].some(([branch, { kind }]) => kind === 'credit' && begun.has(branch));
    if (hasCredit && late.length > 0)
      wrong(`money came in before it left: ${late.map(([branch]) => branch).join(', ')}`);
    return sum([...legs].map(([branch, { amount }]) => (moved.has(branch) ? 0 : amount)));
  },
};

/** Nothing moves before all of it is held, nor once anything is released. What is held is to come. */
const tcc: Scheme = {
  undoes: false,
  keeps: ['holds'],
  judge({ legs, moved, holds, wrong }) {
    for (const { bank, branch, account, kind, amount } of holds) {
      const leg = legs.get(branch);
      if (leg?.at !== `${bank}:${account}` || leg.kind !== kind || Math.abs(leg.amount) !== amount)
        wrong(`${branch}: ${kind} of ${amount} held on ${bank}:${account} was not asked`);
    }
    const states = new Map(holds.map(({ branch, state }) => [branch, state]));
    for (const branch of legs.keys()) {
      const state = states.get(branch);
      if (moved.has(branch) !== (state === 'confirmed'))
        wrong(`${branch}: ${moved.has(branch) ? 'moved' : 'not moved'}, its hold is ${state ?? 'missing'}`);
      else if (moved.size > 0 && state !== 'confirmed' && state !== 'held')
        wrong(`${branch}: its hold is ${state ?? 'missing'}, and others have moved`);
    }
    return sum(holds.map(({ branch, state }) => (state === 'held' ? (legs.get(branch)?.amount ?? 0) : 0)));
  },
};

/** Each bank announces what it is to move, and moves all of it at once; all of them, or none. What is announced is to come. */
const inPhases: Scheme = {
  undoes: false,
  keeps: ['announced', 'prepared'],
  judge({ legs, moved, announced, prepared, wrong }) {
    const rows = new Map(announced.map((row) => [row.bank, row]));
    const banks = new Set([...legs.values()].map(({ bank }) => bank));
    for (const { bank } of [...announced, ...prepared]) if (!banks.has(bank)) wrong(`nothing was asked of ${bank}`);
    for (const { bank } of prepared)
      if (rows.get(bank)?.state !== 'announced') wrong(`prepared at ${bank}, where it is not announced`);
    for (const bank of banks) {
      const row = rows.get(bank);
      const own = [...legs].filter(([, leg]) => leg.bank === bank);
      const of = (kind: AskedLeg['kind']) => sum(own.map(([, leg]) => (leg.kind === kind ? Math.abs(leg.amount) : 0)));
      if (row !== undefined && (row.debits !== of('debit') || row.credits !== of('credit')))
        wrong(`${bank}: announced are ${row.debits} and ${row.credits}, asked ${of('debit')} and ${of('credit')}`);
      for (const [branch] of own)
        if (moved.has(branch) !== (row?.state === 'moved'))
          wrong(
            `${branch}: ${moved.has(branch) ? 'moved' : 'not moved'}, at ${bank} it is ${row?.state ?? 'not announced'}`,
          );
      if (moved.size === 0 || row?.state === 'moved') continue;
      if (row?.state !== 'announced') wrong(`moved elsewhere, at ${bank} it is ${row?.state ?? 'not announced'}`);
      else if (!prepared.some((each) => each.bank === bank)) wrong(`moved elsewhere, at ${bank} it is not prepared`);
    }
    return sum(announced.map(({ state, credits, debits }) => (state === 'announced' ? credits - debits : 0)));
  },
};

const schemes: Readonly<Partial<Record<TransactionName, Scheme>>> = {
  transferSaga: saga,
  transferSagaLocked: saga,
  transferTcc: tcc,
  transfer2pc: inPhases,
  transfer3pc: inPhases,
};

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}

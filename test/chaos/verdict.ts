import type { Books } from '../../src/contracts/shop.js';
import type { Answer } from './customers.js';
import type { Found } from './look.js';

/** What is found when all is over. */
export interface Evidence extends Found {
  /** All transactions that were asked for, each with its name. */
  readonly asked: ReadonlyMap<string, string>;
  /** The names that there are to be, each as often as every other. */
  readonly mix: readonly string[];
  /** What the customers were told. */
  readonly answers: ReadonlyMap<string, Answer>;
  /** Absent: they could not be proved. */
  readonly books?: Books;
}

/** The states in which nothing more is to come. One that waits for a person is none: all is up again, so it has no reason to. */
const finalStates: readonly string[] = ['committed', 'compensated'];
/** Of so many transactions of a name at least one is done, unless time was short. */
const ENOUGH = 10;
/** What a machine that is slow enough undoes all for: its own time is over, or others have an account for as long. */
const SLOW: readonly (string | undefined)[] = [
  'Timeout',
  'DeadlineExceeded',
  'Silence',
  'AccountLocked',
  'AccountHeld',
];

/** What the end of a transaction means for the customer and for what the databases have of it. */
const meanings: Readonly<Record<string, { told: Answer['told']; rows: readonly (string | undefined)[] }>> = {
  committed: { told: 'done', rows: ['done'] },
  // It was barred before it came to be, or it was done in part and taken back.
  compensated: { told: 'undone', rows: [undefined, 'undone'] },
};

/**
 * Judges a run: every transaction is final, and none waits for a person; every customer was told what is so; the databases say the
 * same; none is announced any more; nothing is left behind; the books balance; and each kind of transaction was there.
 *
 * @returns a line for each thing that is wrong; none for a run that passed
 */
export function judge(evidence: Evidence): string[] {
  const { asked, rows, books, announced, contradictions, leftovers } = evidence;
  const gids = [...asked.keys()];
  const problems = [...gids.flatMap((gid) => judgeTransaction(gid, evidence)), ...contradictions, ...leftovers];
  problems.push(...announced.map((gid) => `${gid}: still announced`));
  problems.push(...judgeMix(evidence));
  for (const [gid, row] of rows) {
    if (!asked.has(gid)) problems.push(`${gid}: in the databases (${row}), never asked for`);
  }
  if (books === undefined) problems.push('the books could not be proved');
  else {
    for (const { check, subject, expected, found } of books.differences) {
      problems.push(`books: ${subject}: ${check}: expected ${expected}, found ${found}`);
    }
    const untold = books.differenceCount - books.differences.length;
    if (untold > 0) problems.push(`books: ${untold} more differences`);
  }
  return problems;
}

/**
 * A mix that is all of one kind, or whose kinds come to nothing, proves nothing of the others. How much of a kind is done depends
 * on the machine: that nothing was is wrong where want of time did not undo any of it.
 */
function judgeMix({ asked, mix, states, answers }: Evidence): string[] {
  const least = Math.floor(asked.size / mix.length);
  return [...new Set(mix)].flatMap((name) => {
    const gids = [...asked].flatMap(([gid, transaction]) => (transaction === name ? [gid] : []));
    if (gids.length < least)
      return [`${name}: ${gids.length} of ${asked.size} transactions, at least ${least} were due`];
    const isWell = gids.some((gid) => states.get(gid) === 'committed' || SLOW.includes(answers.get(gid)?.reason));
    if (isWell || gids.length < ENOUGH) return [];
    return [`${name}: none of ${gids.length} was committed, and none was short of time`];
  });
}

function judgeTransaction(gid: string, { answers, states, rows }: Evidence): string[] {
  const state = states.get(gid) ?? 'none';
  const answer = answers.get(gid);
  const row = rows.get(gid);
  const problems: string[] = [];
  const wrong = (what: string) => problems.push(`${gid}: ${what}`);
  if (answer === undefined) wrong(`its customer has no answer; it is ${state}`);
  else if (answer.told === 'error') wrong(`its customer was told ${answer.reason ?? 'an error'}; it is ${state}`);
  if (state === 'none') wrong('lost: there is no such transaction');
  else if (!finalStates.includes(state)) wrong(`it came to no good end: ${state}`);
  const meaning = meanings[state];
  if (meaning === undefined) return problems;
  if (answer !== undefined && answer.told !== 'error' && answer.told !== meaning.told)
    wrong(`its customer was told ${answer.told}, it is ${state}`);
  if (!meaning.rows.includes(row)) wrong(`it is ${state}, in the databases it is ${row ?? 'missing'}`);
  return problems;
}

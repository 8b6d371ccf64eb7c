/** Tests that run in one mocha, and share its servers. */
export interface Group {
  readonly name: string;
  readonly files: readonly string[];
}

/** What a mocha has counted. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Those that take longest begin first, so that none of them is left alone at the end. */
const LONGEST = [
  'matrix',
  'kit/workflow',
  'integration',
  'client',
  'kit/database',
  'workflows',
  'activities',
  'dev',
  'kit/rabbitmq',
];

/**
 * Whether others give way to a group: the time-skipping server takes a worker that waits for its turn of the processor for one that
 * has nothing to do, and lets years pass.
 */
export function comesFirst(name: string): boolean {
  return name === 'kit/workflow';
}

/** Whether a group keeps the processors busy all the time. */
export function isBusy(name: string): boolean {
  return name === 'matrix' || name === 'kit/workflow';
}

/** Groups files by their folder: the first one below `test`, and in the kit the second. Each file is in one group. */
export function groupsOf(files: readonly string[]): Group[] {
  const groups = new Map<string, string[]>();
  for (const file of files.toSorted()) {
    const [, folder = '', second = ''] = file.split('/');
    const name = folder.endsWith('.ts') ? 'top' : folder === 'kit' ? `kit/${second}` : folder;
    groups.set(name, [...(groups.get(name) ?? []), file]);
  }
  const place = (name: string) => (LONGEST.includes(name) ? LONGEST.indexOf(name) : LONGEST.length);
  return [...groups]
    .map(([name, files]) => ({ name, files }))
    .toSorted((one, other) => place(one.name) - place(other.name));
}

/** @throws Error for what is no count of groups at a time */
export function jobsFrom(text = '2'): number {
  if (/^[1-9]\d?$/.test(text)) return Number(text);
  throw new Error(`BACKSTITCH_TEST_JOBS is '${text}': it has to be the groups of tests at a time, 1 to 99`);
}

/** All together in one line; undefined if one of them is not known. */
export function addCounts(counts: readonly (Counts | undefined)[]): string | undefined {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const each of counts) {
    if (each === undefined) return undefined;
    sum.passed += each.passed;
    sum.failed += each.failed;
    sum.skipped += each.skipped;
  }
  return `${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`;
}

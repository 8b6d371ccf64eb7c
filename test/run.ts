import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, setPriority, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compiledClient } from './support/compiled.js';
import { addCounts, comesFirst, groupsOf, isBusy, jobsFrom, type Counts } from './support/groups.js';
import { makeTree, transpiled } from './support/transpiled.js';

/**
 * Runs every test: in groups, each a mocha of its own with servers of its own, and two at a time; three, when those that keep the
 * processors busy have ended, as most of what the others do is wait.
 * What a group has printed is shown when it has ended, and of those that failed once more at the end of all. The arguments are mocha's.
 *
 * | variable | meaning |
 * |---|---|
 * | `BACKSTITCH_TEST_JOBS` | groups at a time; default: 2, and then 3 |
 * | `MOCHA_COUNTS` | a file that gets the counts of all as one line |
 */

const root = fileURLToPath(new URL('..', import.meta.url));
const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => join('test', file));
const groups = groupsOf(files);
const waiting = [...groups];
const isGiven = process.env.BACKSTITCH_TEST_JOBS !== undefined;
const jobs = jobsFrom(process.env.BACKSTITCH_TEST_JOBS);
/** How long a group may take, in milliseconds: mocha's own limits do not count what is done while files load, or at the end. */
const GROUP_MS = 40 * 60_000;
/** How long one that is asked to end may take to stop its servers, in milliseconds. */
const END_MS = 30_000;
const folder = mkdtempSync(join(tmpdir(), 'backstitch-counts-'));
// Compiled once: a group that compiled it while another runs it would change it under its feet.
makeTree();
const env = {
  ...process.env,
  BACKSTITCH_COMPILED_CLIENT: relative(root, compiledClient()),
  BACKSTITCH_TRANSPILED: 'yes',
  BACKSTITCH_WORKFLOW_BUNDLE: shopWorkflows(),
};
const running = new Set<ChildProcess>();

/** The shop's workflows, which are bundled once for all workers that the tests start. @returns the file */
function shopWorkflows(): string {
  const file = join(root, '.backstitch/test-build/workflows.bundle.js');
  const { status, stderr } = spawnSync(process.execPath, [transpiled('src/bundle.ts'), file], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the workflows were not bundled: ${stderr}`);
  return file;
}

interface Ended {
  readonly counts: Counts | undefined;
  readonly failed: boolean;
  readonly printed: Buffer;
}

function run(name: string, specs: readonly string[]): Promise<Ended> {
  const file = join(folder, name.replaceAll('/', '-'));
  // Not mocha's bin, which starts another process that no signal would reach.
  const mocha = ['--import', 'tsx', join(root, 'node_modules/mocha/lib/cli/cli.js')];
  const started = Date.now();
  const child = spawn(process.execPath, [...mocha, ...specs, ...process.argv.slice(2)], {
    cwd: root,
    env: { ...env, MOCHA_COUNTS: file },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  if (child.pid !== undefined && !comesFirst(name)) setPriority(child.pid, constants.priority.PRIORITY_LOW);
  const limit = setTimeout(end, GROUP_MS, child);
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => {
    child.once('close', (code) => {
      running.delete(child);
      clearTimeout(limit);
      const counts = countsIn(file);
      const seconds = Math.round((Date.now() - started) / 1000);
      const failed = code !== 0 || counts === undefined;
      const how = counts === undefined ? ', and did not come to its end' : failed ? ', and has failed' : '';
      const said = Buffer.from(`${name}: ${seconds} s${how}\n\n`);
      const printed = Buffer.concat([...chunks, said]);
      process.stdout.write(printed);
      resolve({ counts, failed, printed });
    });
  });
}

function countsIn(file: string): Counts | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Counts;
  } catch {
    return undefined;
  }
}

const ends: Ended[] = [];
const busy = new Set(groups.map(({ name }) => name).filter(isBusy));
let isQuiet: () => void = () => undefined;
const quiet = new Promise<void>((resolve) => (isQuiet = resolve));
if (busy.size === 0) isQuiet();
async function work(): Promise<void> {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    ends.push(await run(next.name, next.files));
    busy.delete(next.name);
    if (busy.size === 0) isQuiet();
  }
}
function end(child: ChildProcess): void {
  // Mocha stops the servers then; what it has told until there is shown.
  child.kill('SIGINT');
  setTimeout(() => child.kill('SIGKILL'), END_MS).unref();
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    waiting.length = 0;
    isQuiet();
    for (const child of running) end(child);
  });
}
/** Begins another one at a time when all that is busy has ended. */
async function more(): Promise<void> {
  await quiet;
  await work();
}
await Promise.all([...Array.from({ length: jobs }, work), ...(isGiven ? [] : [more()])]);
rmSync(folder, { recursive: true });

const failed = ends.filter((each) => each.failed);
for (const { printed } of failed) process.stdout.write(printed);
const line = addCounts(ends.map(({ counts }) => counts));
// A group that died tells no counts: then all of them would be too few.
const { MOCHA_COUNTS: file } = process.env;
if (line === undefined) console.error('a group of tests did not come to its end: no counts');
else if (file === undefined) console.log(line);
else writeFileSync(file, `${line}\n`);
const hasRun = ends.length === groups.length && ends.some(({ counts }) => (counts?.passed ?? 0) > 0);
if (!hasRun) console.error('not every group of tests was run, or no test was');
process.exitCode = failed.length === 0 && hasRun ? 0 : 1;

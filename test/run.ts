import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compiledClient } from './support/compiled.js';
import { addCounts, groupsOf, type Counts } from './support/groups.js';

/**
 * Runs every test: in groups, each a mocha of its own with servers of its own, and two at a time, as most of what tests do is wait.
 * What a group has printed is shown when it has ended, and of those that failed at the end of all. The arguments are mocha's.
 *
 * | variable | meaning |
 * |---|---|
 * | `BACKSTITCH_TEST_JOBS` | groups at a time; default: 2 |
 * | `MOCHA_COUNTS` | a file that gets the counts of all as one line |
 */

const root = fileURLToPath(new URL('..', import.meta.url));
const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => join('test', file));
const waiting = groupsOf(files);
const jobs = Number(process.env.BACKSTITCH_TEST_JOBS ?? 2);
const folder = mkdtempSync(join(tmpdir(), 'backstitch-counts-'));
// Compiled once: a group that compiled it while another runs it would change it under its feet.
const env = { ...process.env, BACKSTITCH_COMPILED_CLIENT: relative(root, compiledClient()) };
const running = new Set<ChildProcess>();

interface Ended {
  readonly counts: Counts | undefined;
  readonly failed: boolean;
  readonly printed: Buffer;
}

function run(name: string, specs: readonly string[]): Promise<Ended> {
  const file = join(folder, name.replaceAll('/', '-'));
  const mocha = join(root, 'node_modules/mocha/bin/mocha.js');
  const started = Date.now();
  const child = spawn(process.execPath, [mocha, ...specs, ...process.argv.slice(2)], {
    cwd: root,
    env: { ...env, MOCHA_COUNTS: file },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => {
    child.once('close', (code) => {
      running.delete(child);
      const counts = countsIn(file);
      const seconds = Math.round((Date.now() - started) / 1000);
      const failed = code !== 0 || counts === undefined;
      const how = counts === undefined ? ', and did not come to its end' : failed ? ', and has failed' : '';
      const said = Buffer.from(`${name}: ${seconds} s${how}\n\n`);
      const printed = Buffer.concat([...chunks, said]);
      process.stdout.write(failed ? said : printed);
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
async function work(): Promise<void> {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
    ends.push(await run(next.name, next.files));
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    waiting.length = 0;
    for (const child of running) child.kill(signal);
  });
}
await Promise.all(Array.from({ length: jobs }, work));
rmSync(folder, { recursive: true });

const failed = ends.filter((each) => each.failed);
for (const { printed } of failed) process.stdout.write(printed);
const line = addCounts(ends.map(({ counts }) => counts));
// A group that died tells no counts: then all of them would be too few.
const { MOCHA_COUNTS: file } = process.env;
if (line === undefined) console.error('a group of tests did not come to its end: no counts');
else if (file === undefined) console.log(line);
else writeFileSync(file, `${line}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { figure, markdownTable } from '../markdown.js';
import { onStage } from '../messages/stage.js';
import { say } from '../program.js';
import type { Asked, Figures } from './compare-program.js';
import type { ReconcileOptions } from './options.js';

/** `npm run bench -- reconcile`: see docs/reconciliation.md. Progress goes to stderr, the result to stdout. */

export async function benchReconcile(options: ReconcileOptions): Promise<boolean> {
  const figures = await onStage(async ({ producer, consumer, producerUrl }) => {
    for (const [place, pool] of [producer, consumer].entries()) {
      say(`writes ${options.rows} rows of side ${place + 1}`);
      await fill(pool, options.rows);
    }
    const consumerUrl = new URL(producerUrl);
    consumerUrl.pathname = '/consumer';
    return inChild({ ...options, urls: [producerUrl, consumerUrl.href] });
  });
  if (options.json) console.log(JSON.stringify(figures, null, 2));
  else {
    const cells = figures.map(({ way, seconds, rssMb, moreMb, found }) => [
      ...[
        way,
        figure(Number(seconds.toFixed(1))),
        figure(Math.round(rssMb)),
        figure(Math.round(moreMb)),
        String(found),
      ],
    ]);
    for (const line of markdownTable(['', 'seconds', 'MB at most', 'MB more', 'keys found'], cells)) console.log(line);
  }
  return figures.every(({ rssMb }) => rssMb < 200);
}

/** In a process that has loaded nothing else: what memory it has is that of the comparison. */
async function inChild(asked: Asked): Promise<Figures[]> {
  const child = fork(fileURLToPath(new URL('./compare-program.js', import.meta.url)), [JSON.stringify(asked)]);
  const figures: Figures[] = [];
  child.on('message', (told) => {
    const found = told as Figures;
    say(`${found.way}: ${found.seconds.toFixed(1)} s, ${Math.round(found.rssMb)} MB, ${found.found} found`);
    figures.push(found);
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`the process that compares has ended with ${code}`);
  return figures;
}

async function fill(pool: pg.Pool, rows: number): Promise<void> {
  await pool.query(
    `create table rows (key text collate "C" primary key, customer text not null, amount integer not null)`,
  );
  await pool.query(
    `insert into rows select 'order-' || lpad(n::text, 9, '0'), 'c' || n % 1000, n % 100000 from generate_series(1, $1::int) as n`,
    [rows],
  );
  await pool.query('vacuum analyze rows');
}

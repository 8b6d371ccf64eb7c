import assert from 'node:assert/strict';
import { fence, type LeaseLock } from '../../../../src/kit/database/index.js';
import { Program } from '../../../support/program.js';
import { transpiled } from '../../../support/transpiled.js';
import { fresh, type LockStage } from '../idempotency/stage.js';

/** A holder that was really stopped, by a signal, and wakes when another has had its resource. */
export function pausedTests(
  stage: LockStage,
  home: { readonly lock: () => LeaseLock; readonly env: () => NodeJS.ProcessEnv },
): void {
  for (const fenced of [false, true]) {
    it(fenced ? 'cannot write with a fence' : 'writes over what another wrote, without a fence', async () => {
      const resource = fresh('paused');
      await stage.db.run(`insert into resources (name, value) values ($1, 'new')`, [resource]);
      const env = { DATABASE: stage.url, ...home.env() };
      const file = transpiled('test/kit/database/lock/holder-program.ts');
      const holder = new Program(file, [resource, fenced ? 'fenced' : 'open'], env, { ipc: true });
      try {
        const [, first = ''] = await holder.printed(/holds (\d+);/);
        holder.kill('SIGSTOP');
        // Its lease is over while it sleeps; nobody has to be told.
        const held = await home.lock().hold(resource, ({ token }) =>
          stage.db.transaction(async (sql) => {
            await fence(sql, resource, token);
            await sql(`update resources set value = 'by the second' where name = $1`, [resource]);
          }),
        );
        assert.ok(held.outcome === 'done' && held.token > Number(first));
        holder.child.send('write');
        holder.kill('SIGCONT');
        const [, written = ''] = await holder.printed(/(written|not written: \w+);/);
        assert.equal(written, fenced ? 'not written: Fenced' : 'written');
        // It hears of its loss in either case.
        await holder.printed(/ended: LeaseLost;/);
        const { value } = await stage.one<{ value: string }>('select value from resources where name = $1', resource);
        assert.equal(value, fenced ? 'by the second' : 'by the paused one');
      } finally {
        holder.kill('SIGKILL');
        await holder.ended;
      }
    });
  }
}

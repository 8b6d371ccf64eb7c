import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { takeLock, takeStaleLock } from '../../src/dev/lock-file.js';
import { Program } from '../support/program.js';

describe('a lock file', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'backstitch-lock-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('that a dead program has left goes to exactly one of those who want it', async () => {
    const dead = JSON.stringify({ pid: 2 ** 22 + 1, started: '1' });
    const names = Array.from({ length: 300 }, (_, n) => `${n}.lock`);
    for (const name of names) writeFileSync(join(folder, name), dead);
    const begin = String(Date.now() + 3_000);
    const programs = Array.from({ length: 3 }, () => new Program('test/dev/lock-program.ts', [folder, begin]));
    try {
      const printed = await Promise.all(programs.map((program) => program.printed(/TAKEN (.*)/)));
      const taken = printed.flatMap(([, json = '']) => JSON.parse(json) as string[]);
      assert.deepEqual(taken.sort(), names.sort());
      assert.deepEqual(readdirSync(folder).sort(), names, 'nothing but the locks is left');
    } finally {
      for (const program of programs) program.kill('SIGKILL');
      await Promise.all(programs.map((program) => program.ended));
    }
  });

  it('is refused while its process lives, and can be taken again when it was removed', () => {
    const file = join(folder, 'one.lock');
    assert.equal(takeLock(file), true);
    assert.equal(takeLock(file), false);
    assert.equal(takeStaleLock(file), false);
    rmSync(file);
    assert.equal(takeStaleLock(file), false, 'a lock that is not there was not left by anybody');
    assert.equal(takeLock(file), true);
  });

  it('that was cut short by a crash of the machine is nobody’s', () => {
    const file = join(folder, 'one.lock');
    writeFileSync(file, '{"pi');
    assert.equal(takeLock(file), true);
  });
});

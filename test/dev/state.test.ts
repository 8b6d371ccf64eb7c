import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { identify, isAlive } from '../../src/dev/processes.js';
import { StateFolder } from '../../src/dev/state.js';

describe('the state folder', () => {
  let root: string;
  const lines: string[] = [];
  const open = (fresh = false) => StateFolder.open(root, fresh, (line) => lines.push(line));

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'backstitch-state-'));
    lines.length = 0;
  });
  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
  });

  it('is kept from run to run', async () => {
    const first = await open();
    writeFileSync(first.file('kept'), '');
    first.close(false);
    const second = await open();
    assert.equal(second.path, first.path);
    assert.ok(existsSync(second.file('kept')));
    second.close(false);
  });

  it('is emptied by fresh', async () => {
    const first = await open();
    writeFileSync(first.file('kept'), '');
    first.close(false);
    const second = await open(true);
    assert.ok(!existsSync(second.file('kept')));
    second.close(false);
  });

  it('is left alone while a living program uses it: the next one works beside it, and says so', async () => {
    const first = await open();
    const second = await open(true);
    assert.notEqual(second.path, first.path);
    assert.match(lines.join('\n'), /another program uses .*main: using .*side-1 beside it/);
    second.close(false);
    first.close(false);
  });

  it('is taken over from a program that is dead, and from one whose number another process has got', async () => {
    for (const holder of [
      { pid: 2 ** 22 + 1, started: '1' },
      { pid: process.pid, started: 'another time' },
    ]) {
      const state = await open();
      state.close(false);
      writeFileSync(state.file('lock.json'), JSON.stringify(holder));
      const next = await open();
      assert.equal(next.path, state.path);
      next.close(false);
    }
  });

  it('ends the servers that a killed program left behind, and nothing else', async () => {
    const left = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
    const other = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
    await Promise.all([once(left, 'spawn'), once(other, 'spawn')]);
    const identity = identify(left.pid ?? 0);
    const otherIdentity = identify(other.pid ?? 0);
    assert.ok(identity && otherIdentity);
    const state = await open();
    state.close(false);
    // The second record names a process that has got the number of a server of long ago.
    writeFileSync(
      state.file('children.json'),
      JSON.stringify([
        { name: 'a server', signal: 'SIGTERM', ...identity },
        { name: 'another', signal: 'SIGTERM', pid: otherIdentity.pid, started: 'long ago' },
      ]),
    );
    const next = await open();
    assert.match(lines.join('\n'), /ending a server \(process \d+\), left behind by a program that was killed/);
    assert.equal(isAlive(identity), false);
    assert.equal(isAlive(otherIdentity), true);
    other.kill('SIGKILL');
    next.close(false);
  });

  it('ends what a program left behind that was killed in a folder beside it', async () => {
    const left = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
    await once(left, 'spawn');
    const identity = identify(left.pid ?? 0);
    assert.ok(identity);
    const [main, side] = [await open(), await open()];
    side.record('a server', identity.pid, 'SIGTERM');
    main.close(false);
    writeFileSync(side.file('lock.json'), JSON.stringify({ pid: 2 ** 22 + 1, started: '1' }));
    const next = await open();
    assert.equal(next.path, main.path);
    assert.equal(isAlive(identity), false);
    assert.ok(!existsSync(side.file('lock.json')));
    next.close(false);
  });

  it('of one run goes with it, or with the next run if it was killed; and so does what lies outside', async () => {
    const first = await StateFolder.temporary(() => undefined);
    mkdirSync(first.outside());
    first.close(true);
    assert.ok(!existsSync(first.path));
    const killed = await StateFolder.temporary(() => undefined);
    const outside = killed.outside();
    mkdirSync(outside);
    writeFileSync(killed.file('lock.json'), JSON.stringify({ pid: 2 ** 22 + 1, started: '1' }));
    const next = await StateFolder.temporary(() => undefined);
    assert.deepEqual([existsSync(killed.path), existsSync(outside)], [false, false]);
    next.close(true);
  });
});

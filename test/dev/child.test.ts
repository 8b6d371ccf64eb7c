import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from '../../src/dev/child.js';
import { identify } from '../../src/dev/processes.js';

describe('a server that is being started', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'backstitch-child-'));
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const start = (script: string, abort?: AbortSignal, onStarted: (pid: number) => void = () => undefined) =>
    Child.start(
      {
        name: 'the server',
        command: 'sh',
        args: ['-c', script],
        logFile: join(folder, 'log'),
        signal: 'SIGTERM',
        signalAtOnce: 'SIGKILL',
        readyMs: 600_000,
        abort,
        ready: () => new Promise(() => undefined), // As one that waits for an answer.
      },
      onStarted,
    );

  it('and dies is reported at once, though it is still being asked whether it is ready', async () => {
    await assert.rejects(start('echo no room; exit 3'), /the server ended with code 3; its last lines [\s\S]*no room/);
  });

  it('is stopped when the start is called off', async () => {
    const called = new AbortController();
    let pid = 0;
    const started = start('exec sleep 600', called.signal, (started) => {
      pid = started;
      called.abort(new Error('stopped by SIGINT'));
    });
    await assert.rejects(started, /stopped by SIGINT/);
    assert.equal(identify(pid), undefined);
    await assert.rejects(start('exec sleep 600', called.signal), /stopped by SIGINT/, 'nor begun after that');
  });
});

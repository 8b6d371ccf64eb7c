import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Program } from '../support/program.js';

/** A folder with nothing but a scripted `go` in it for a PATH, and a cache that is empty, or holds one program. */
function scene(go: string | undefined, { cached, onPath }: { cached?: string; onPath?: string } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'backstitch-obtain-'));
  const cache = join(folder, 'cache');
  mkdirSync(cache);
  const script = (path: string, text: string) => {
    writeFileSync(path, `#!/bin/sh\nPATH=/bin:/usr/bin\n${text}\n`, { mode: 0o755 });
  };
  if (go !== undefined) script(join(folder, 'go'), go);
  if (cached !== undefined) script(join(cache, 'temporal-1.5.1'), cached);
  if (onPath !== undefined) script(join(folder, 'temporal'), onPath);
  const env = { PATH: folder, BACKSTITCH_CACHE: cache };
  return {
    start: () => new Program('test/dev/obtain-program.ts', [], env),
    left: () => readdirSync(cache),
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Runs the search for a server there, to its end. */
async function obtain(
  go: string | undefined,
  { programs = 1, ...there }: { programs?: number; cached?: string; onPath?: string } = {},
) {
  const { start, left, remove } = scene(go, there);
  const started = Array.from({ length: programs }, start);
  await Promise.all(started.map((program) => program.ended));
  const result = { output: started.map(({ stdout }) => stdout), left: left() };
  remove();
  return result;
}

// Stands for a slow build: it says what Go says, and leaves a program that answers --version.
const slowGo = `
echo "go: downloading example.com/one v1.0.0" >&2
echo "go: downloading example.com/two v1.0.0" >&2
sleep 1
printf '#!/bin/sh\\necho temporal version 1.5.1\\n' > "$GOBIN/temporal"
chmod +x "$GOBIN/temporal"`;

describe('the Temporal server program', function () {
  this.timeout(120_000);

  it('is built with Go where nothing else gives one; the build says what it does and how long it took', async () => {
    const { output, left } = await obtain(slowGo);
    assert.match(output[0] ?? '', /building the Temporal server with Go, once, into .*: about five minutes/);
    assert.match(output[0] ?? '', /building the Temporal server: 0 s, 2 modules downloaded/);
    assert.match(output[0] ?? '', /built the Temporal server in \d+ s/);
    assert.match(output[0] ?? '', /FOUND .*temporal-1\.5\.1/);
    assert.deepEqual(left, ['temporal-1.5.1']);
  });

  it('is built once when two programs need it: the second waits for the first', async () => {
    const { output } = await obtain(slowGo, { programs: 2 });
    assert.equal(output.filter((text) => text.includes('about five minutes')).length, 1, output.join('\n'));
    assert.equal(
      output.filter((text) => text.includes('another program downloads or builds the Temporal server')).length,
      1,
    );
    assert.ok(output.every((text) => text.includes('FOUND')));
  });

  it('that was obtained before is used at once, and built again if it does not run', async () => {
    const kept = await obtain(undefined, { cached: 'echo temporal version 1.5.1' });
    assert.match(kept.output[0] ?? '', /^FOUND .*temporal-1\.5\.1/);
    const rebuilt = await obtain(slowGo, { cached: 'exit 126' });
    assert.match(rebuilt.output[0] ?? '', /about five minutes[\s\S]*FOUND/);
  });

  it('on the PATH is used, unless it is too old for what is asked of it: then the next one is, and that is said', async () => {
    const cached = 'echo temporal version 1.5.1';
    for (const version of ['1.3.0', '2.0.1', '0.0.0-DEV']) {
      const { output } = await obtain(undefined, {
        cached,
        onPath: `echo "temporal version ${version} (Server 1.2.3)"`,
      });
      assert.match(output[0] ?? '', /^FOUND \S*\/temporal\n/, version);
    }
    const { output } = await obtain(undefined, { cached, onPath: 'echo "temporal version 1.2.9 (Server 1.26.2)"' });
    assert.match(
      output[0] ?? '',
      /temporal is version 1\.2\.9, older than 1\.3: looking for another one\nFOUND \S*temporal-1\.5\.1/,
    );
  });

  it('is not built on when the program is told to stop: the build ends, and leaves nothing', async () => {
    const { start, left, remove } = scene('echo "go: downloading example.com/one v1.0.0" >&2\nexec sleep 600');
    const program = start();
    await program.printed(/1 modules downloaded/);
    program.kill('SIGTERM');
    await program.ended;
    assert.match(program.stdout, /ERROR stopped by SIGTERM/);
    assert.deepEqual(left(), []);
    remove();
  });

  it('that cannot be had is told in one line: what was tried, why it failed, what to do', async () => {
    for (const [go, why] of [
      [undefined, /a build with Go: there is no go program on the PATH/],
      ['echo "no such module" >&2; exit 1', /a build with Go: go install ended with code 1: no such module/],
    ] as const) {
      const { output } = await obtain(go);
      const [line] = /ERROR .*/.exec(output[0] ?? '') ?? [''];
      assert.match(
        line,
        /no Temporal server could be had \(a temporal program on the PATH: none; one obtained before: none/,
      );
      assert.match(line, why);
      assert.match(line, /install the temporal program or Go, or set TEMPORAL_ADDRESS/);
    }
  });
});

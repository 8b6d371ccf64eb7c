import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Program } from '../support/program.js';

/** Runs the search for a server with nothing but a scripted `go` on the PATH, and an empty cache. */
async function obtain(go: string | undefined, programs = 1) {
  const folder = mkdtempSync(join(tmpdir(), 'backstitch-obtain-'));
  if (go !== undefined) {
    writeFileSync(join(folder, 'go'), `#!/bin/sh\n${go}\n`);
    chmodSync(join(folder, 'go'), 0o755);
  }
  const cache = join(folder, 'cache');
  const env = { PATH: `${folder}:/bin:/usr/bin`, BACKSTITCH_CACHE: cache };
  const started = Array.from({ length: programs }, () => new Program('test/dev/obtain-program.ts', [], env));
  await Promise.all(started.map((program) => program.ended));
  const left = existsSync(cache) ? readdirSync(cache) : [];
  rmSync(folder, { recursive: true, force: true });
  return { output: started.map(({ stdout }) => stdout), left };
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
    const { output } = await obtain(slowGo, 2);
    assert.equal(output.filter((text) => text.includes('about five minutes')).length, 1, output.join('\n'));
    assert.equal(output.filter((text) => text.includes('another program builds the Temporal server')).length, 1);
    assert.ok(output.every((text) => text.includes('FOUND')));
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

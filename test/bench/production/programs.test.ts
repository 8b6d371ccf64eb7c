import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Program } from '../../support/program.js';

const FOLDER = 'production-server-1.29.1';
const answers = 'echo temporal version 1.29.1';

// Stands for Go: it says what Go says, and leaves programs that answer --version.
const builds = `
echo "go: downloading go.temporal.io/server v1.29.1" >&2
for program in server sql; do
  printf '#!/bin/sh\\n${answers}\\n' > "$GOBIN/$program"
  chmod +x "$GOBIN/$program"
done`;

describe("the programs of Temporal's production server", function () {
  this.timeout(60_000);
  let folder: string;
  const cache = () => join(folder, 'cache');

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'backstitch-production-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const script = (path: string, text: string) => {
    writeFileSync(path, `#!/bin/sh\nPATH=/bin:/usr/bin\n${text}\n`, { mode: 0o755 });
  };
  const goOnPath = (text: string) => {
    script(join(folder, 'go'), text);
  };
  const cached = (server: string) => {
    mkdirSync(join(cache(), FOLDER), { recursive: true });
    script(join(cache(), FOLDER, 'server'), server);
    script(join(cache(), FOLDER, 'sql'), answers);
  };
  /** What is said where nothing but the scripts is on the PATH. */
  const obtain = async () => {
    const env = { PATH: folder, BACKSTITCH_CACHE: cache() };
    const program = new Program('test/bench/production/obtain-program.ts', [], env);
    await program.ended;
    return program.stdout;
  };

  it('are built once, which is said, and kept', async () => {
    goOnPath(builds);
    const first = await obtain();
    assert.match(first, /building Temporal's production server with Go, once, into .*: about five minutes/);
    assert.match(first, /building Temporal's production server: \d+ s, 1 modules downloaded/);
    assert.match(first, /built Temporal's production server in \d+ s/);
    const found = `FOUND ${join(cache(), FOLDER, 'server')} ${join(cache(), FOLDER, 'sql')}\n`;
    assert.ok(first.endsWith(found), first);
    assert.deepEqual(readdirSync(cache()), [FOLDER]);
    assert.equal(await obtain(), found);
  });

  it('are built again if they do not run here', async () => {
    goOnPath(builds);
    cached('exit 126');
    assert.match(await obtain(), /about five minutes[\s\S]*FOUND/);
  });

  it('that were built before need no Go', async () => {
    cached(answers);
    assert.match(await obtain(), /^FOUND/);
  });

  it('that cannot be had are told in one line: why, and what to do', async () => {
    assert.equal(
      await obtain(),
      "ERROR Temporal's production server could not be had (there is no go program on the PATH): install Go, or set TEMPORAL_ADDRESS to a server that runs\n",
    );
    goOnPath('echo "no such module" >&2; exit 1');
    assert.match(await obtain(), /ERROR .*\(go install ended with code 1: no such module\)/);
    assert.deepEqual(readdirSync(cache()), []);
  });
});

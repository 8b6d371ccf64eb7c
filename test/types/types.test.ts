import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What the compiler says of these files, under the project's own options. */
function problemsOf(files: readonly string[], extra: ts.CompilerOptions = {}): string[] {
  const config = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path));
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root);
  const program = ts.createProgram(files, { ...options, ...extra });
  return ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
    const line = file ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
    return `${file?.fileName ?? ''}:${line} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
}

describe('types', function () {
  this.timeout(60_000);

  it('let right use of the saga and of transactional services compile, and wrong use not', () => {
    assert.deepEqual(problemsOf(['saga', 'transactional'].map((name) => join(root, `test/types/${name}.ts`))), []);
  });

  it('fit every file of docs/start.md', () => {
    const page = readFileSync(join(root, 'docs/start.md'), 'utf8');
    const blocks = [...page.matchAll(/```ts\n\/\/ (\w+\.ts)(.*?)```/gs)];
    assert.ok(blocks.length >= 4);
    // Below the project, where the packages that it uses are found.
    mkdirSync(join(root, '.backstitch'), { recursive: true });
    const folder = mkdtempSync(join(root, '.backstitch', 'start-'));
    try {
      const files = blocks.map(([, name = '', code = '']) => {
        const file = join(folder, name);
        writeFileSync(file, `// ${code}`);
        return file;
      });
      const rooms = ['workflow', 'database', 'worker', 'client'];
      const paths = Object.fromEntries(
        rooms.map((room) => [`backstitch/${room}`, [join(root, `src/kit/${room}/index.ts`)]]),
      );
      assert.deepEqual(problemsOf(files, { paths, rootDir: root, noUnusedParameters: false }), []);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

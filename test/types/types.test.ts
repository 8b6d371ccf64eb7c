import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What is read once for all of them: each of them reads the libraries and the project. */
const read = new Map<string, ts.SourceFile | undefined>();

/** What the compiler says of these files, under the project's own options; what they import is checked with the project. */
function problemsOf(files: readonly string[], extra: ts.CompilerOptions = {}): string[] {
  const config = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path));
  const options = { ...ts.parseJsonConfigFileContent(config.config, ts.sys, root).options, ...extra };
  const host = ts.createCompilerHost(options);
  const readFile = host.getSourceFile.bind(host);
  host.getSourceFile = (name, ...how) => {
    if (!read.has(name)) read.set(name, readFile(name, ...how));
    return read.get(name);
  };
  const program = ts.createProgram(files, options, host);
  const sources = files.map((file) => program.getSourceFile(file) ?? assert.fail(`${file} is not read`));
  const found = [
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...sources.flatMap((source) => [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ]),
  ];
  return found.map(({ file, start = 0, messageText }) => {
    const line = file ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
    return `${file?.fileName ?? ''}:${line} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
}

describe('types', function () {
  this.timeout(60_000);

  it('let right use of the saga and of transactional services compile, and wrong use not', () => {
    assert.deepEqual(
      problemsOf(
        ['saga', 'state-machine', 'transactional', 'two-phase'].map((name) => join(root, `test/types/${name}.ts`)),
      ),
      [],
    );
  });

  for (const [name, least] of [
    ['start', 4],
    ['testing', 5],
  ] as const) {
    it(`fit every file of docs/${name}.md`, () => {
      const page = readFileSync(join(root, `docs/${name}.md`), 'utf8');
      const blocks = [...page.matchAll(/```ts\n\/\/ (\w+\.ts)(.*?)```/gs)];
      assert.ok(blocks.length >= least);
      // Below the project, where the packages that it uses are found.
      mkdirSync(join(root, '.backstitch'), { recursive: true });
      const folder = mkdtempSync(join(root, '.backstitch', `${name}-`));
      try {
        const files = blocks.map(([, file = '', code = '']) => {
          const path = join(folder, file);
          writeFileSync(path, `// ${code}`);
          return path;
        });
        const rooms = ['workflow', 'database', 'worker', 'client', 'direct', 'testing'];
        const paths = Object.fromEntries(
          rooms.map((room) => [`backstitch/${room}`, [join(root, `src/kit/${room}/index.ts`)]]),
        );
        assert.deepEqual(problemsOf(files, { paths, rootDir: root, noUnusedParameters: false }), []);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }
});

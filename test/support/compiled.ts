import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, '.backstitch/test-build');
let isCompiled = false;

/**
 * The command line's program, compiled as users have it and put together with its dependencies in few files: it starts in a quarter
 * of the time, and the tests start it some hundred times. Made once in each run of the tests, which takes some seconds;
 * BACKSTITCH_COMPILED_CLIENT names it where it was.
 */
export function compiledClient(): string {
  return compiled('bundle/program/client.js');
}

/** The same in as many files as it was written in: for who looks at what it loads. */
export function plainClient(): string {
  return compiled('dist/client.js');
}

function compiled(file: string): string {
  // It names the bundle.
  const { BACKSTITCH_COMPILED_CLIENT: made } = process.env;
  if (made !== undefined) return join(root, made, '../../..', file);
  if (!isCompiled) {
    mkdirSync(folder, { recursive: true });
    copyFileSync(join(root, 'package.json'), join(folder, 'package.json'));
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const args = ['-p', 'tsconfig.build.json', '--outDir', join(folder, 'dist'), '--declaration', 'false'];
    const incremental = ['--incremental', '--tsBuildInfoFile', join(folder, 'info.json')];
    const { status, stdout } = spawnSync(process.execPath, [tsc, ...args, ...incremental], {
      cwd: root,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`the program does not compile: ${stdout}`);
    buildSync({
      entryPoints: [join(folder, 'dist/client.js')],
      ...{ outdir: join(folder, 'bundle/program'), bundle: true, splitting: true, format: 'esm', platform: 'node' },
      external: ['pg-native'],
      // Its dependencies are CommonJS for the most part. It looks for package.json two folders up.
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
      logLevel: 'error',
    });
    isCompiled = true;
  }
  return join(folder, file);
}

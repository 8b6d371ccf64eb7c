import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, '.backstitch/test-build/tree');
let isMade = false;

/**
 * A program of the tests as JavaScript, in a copy of the whole tree: whoever starts it some hundred times need not have it translated
 * each time, which is two thirds of what a start costs. Made once in each run of the tests, which takes half a second;
 * BACKSTITCH_TRANSPILED says that it was.
 *
 * @param file relative to the repository, or its URL
 */
export function transpiled(file: string | URL): string {
  if (!isMade && process.env.BACKSTITCH_TRANSPILED === undefined) makeTree();
  const path = file instanceof URL ? relative(root, fileURLToPath(file)) : file;
  return join(folder, path.replace(/\.ts$/, '.js'));
}

/** Makes the tree. */
export function makeTree(): void {
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(root, 'package.json'), join(folder, 'package.json'));
  const filesOf = (part: string) =>
    readdirSync(join(root, part), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(part, file));
  buildSync({
    ...{ absWorkingDir: root, entryPoints: [...filesOf('src'), ...filesOf('test')], outdir: folder, outbase: root },
    ...{ format: 'esm', sourcemap: 'inline', logLevel: 'error' },
  });
  isMade = true;
}

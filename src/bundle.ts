import { randomUUID } from 'node:crypto';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { bundleMark } from './bundle-mark.js';
import { bundleWorkflows } from './worker.js';

/** `npm run bundle -- FILE`: the workflows in one file, for workers that are to start quickly (`BACKSTITCH_WORKFLOW_BUNDLE`). */

const [, , file] = process.argv;
if (file === undefined) {
  console.error('bundle: give the file that gets the bundle, such as dist/workflows.bundle.js');
  process.exitCode = 2;
} else {
  const { code } = await bundleWorkflows();
  // Whoever reads it meanwhile has the old one, whole; and two that make it do not mix theirs.
  const part = `${file}.${randomUUID()}.part`;
  try {
    // In its first line, which nothing is mapped to: the lines of the source map stay what they are.
    writeFileSync(part, `${bundleMark()} ${code}`);
    renameSync(part, file);
  } finally {
    rmSync(part, { force: true });
  }
}

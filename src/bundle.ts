import { renameSync, writeFileSync } from 'node:fs';
import { bundleWorkflows } from './worker.js';

/** `npm run bundle -- FILE`: the workflows in one file, for workers that are to start quickly (`BACKSTITCH_WORKFLOW_BUNDLE`). */

const [, , file] = process.argv;
if (file === undefined) {
  console.error('bundle: give the file that gets the bundle, such as dist/workflows.bundle.js');
  process.exitCode = 2;
} else {
  const { code } = await bundleWorkflows();
  // Whoever reads it meanwhile has the old one, whole.
  writeFileSync(`${file}.part`, code);
  renameSync(`${file}.part`, file);
}

import { existsSync, readFileSync } from 'node:fs';
import { composeProblems } from './problems.js';

/** Checks temporal-compose.yml: one line a problem and exit code 1, or one line that all is well. */

const file = 'temporal-compose.yml';
const root = new URL('../../', import.meta.url);
const problems = composeProblems(readFileSync(new URL(file, root), 'utf8'), (path) => existsSync(new URL(path, root)));

for (const problem of problems) console.error(`${file}: ${problem}`);
if (problems.length === 0) console.log(`${file}: OK`);
process.exitCode = problems.length === 0 ? 0 : 1;

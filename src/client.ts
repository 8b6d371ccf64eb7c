#!/usr/bin/env node
import { runProgram } from './client/program.js';

/** The command line. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0); // the reader has seen enough
  throw error;
});
const code = await runProgram(process.argv.slice(2));
// What was not waited for any more must not keep the program; what was printed must arrive.
process.stdout.write('', () => process.exit(code));

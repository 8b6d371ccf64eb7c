import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { takeLock } from '../../src/dev/lock-file.js';

/** Tries to take every lock in a folder, together with others who do the same, and prints which it got. */
const [, , folder = '', begin = '0'] = process.argv;
const locks = readdirSync(folder).filter((name) => name.endsWith('.lock'));
console.log('READY');
while (Date.now() < Number(begin)); // All begin at one moment.
const taken = locks.filter((name) => takeLock(join(folder, name)));
console.log(`TAKEN ${JSON.stringify(taken)}`);
// A lock is held while its process lives.
setTimeout(() => undefined, 60_000);

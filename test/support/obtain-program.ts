import { temporalProgram } from '../../src/dev/temporal-program.js';
import { timeSkippingServer } from '../../src/dev/time-skipping-server.js';
import { findBrowser } from './browser.js';
import { rabbitPrograms } from './rabbitmq-programs.js';
import { redisProgram } from './redis.js';

/**
 * Obtains the servers' programs before the tests begin, where they are not there yet: to build one takes longer than any
 * test may.
 */
const onProgress = (line: string) => {
  console.error(line);
};

await temporalProgram(onProgress);
await timeSkippingServer(onProgress);
await rabbitPrograms(onProgress);
await redisProgram(onProgress);
await findBrowser(onProgress);

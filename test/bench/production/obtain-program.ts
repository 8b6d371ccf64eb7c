import { productionPrograms } from '../../../bench/production/programs.js';

/** Obtains the production server's programs as the benchmark does. */
try {
  const { server, sql } = await productionPrograms((line) => {
    console.log(line);
  });
  console.log(`FOUND ${server} ${sql}`);
} catch (error) {
  console.log(`ERROR ${(error as Error).message}`);
}

import { programSources, temporalProgram } from '../../src/dev/temporal-program.js';

/** Looks for a Temporal server program as the demo does, without the download, which may work where this runs. */
const { onPath, inCache, byGo } = programSources;
try {
  const path = await temporalProgram(
    (line) => {
      console.log(line);
    },
    [onPath, inCache, byGo],
  );
  console.log(`FOUND ${path}`);
} catch (error) {
  console.log(`ERROR ${(error as Error).message}`);
}

import { abortOnSignal } from '../../src/signals.js';
import { programSources, temporalProgram } from '../../src/dev/temporal-program.js';

/** Looks for a Temporal server program as the demo does, without the download, which may work where this runs. */
const abort = abortOnSignal((signal) => {
  console.log(`${signal}: stopping`);
});
const { onPath, inCache, byGo } = programSources;
try {
  const path = await temporalProgram(
    (line) => {
      console.log(line);
    },
    { sources: [onPath, inCache, byGo], abort },
  );
  console.log(`FOUND ${path}`);
} catch (error) {
  console.log(`ERROR ${(error as Error).message}`);
}

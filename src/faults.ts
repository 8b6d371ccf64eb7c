import { parseFault, type Fault } from './activities/faults.js';
import { ConfigError } from './config.js';

/**
 * The faults that `BACKSTITCH_FAULTS` asks for.
 *
 * @param functions those that there are. Default: any
 * @throws {@link ConfigError} for what is no fault, or befalls a function that is not there
 */
export function wantedFaults(text: string | undefined, functions?: readonly string[]): Fault[] {
  return (text?.split(/[,\s]+/).filter(Boolean) ?? []).map((each) => {
    let fault: Fault;
    try {
      fault = parseFault(each);
    } catch (error) {
      throw new ConfigError(`BACKSTITCH_FAULTS: ${(error as Error).message}`);
    }
    if (functions?.includes(fault.function) !== false) return fault;
    throw new ConfigError(
      `BACKSTITCH_FAULTS: there is no function '${fault.function}': give one of ${functions.join(', ')}`,
    );
  });
}

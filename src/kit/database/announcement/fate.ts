import type { Fate } from '../../workflow/fate.js';
import { toJson, toLog, UnstorableResult } from '../guard/json.js';

/**
 * A fate as JSON text, or what holds it: an end is always written. A result that cannot be stored is left out, and the fate
 * says why; of anything else what cannot be stored is replaced, as in the log.
 *
 * @param whole what is written of it
 */
export function fateToJson(fate: Fate, whole: (fate: Fate) => unknown = (itself) => itself): string {
  try {
    return toJson(whole(fate)) ?? 'null';
  } catch (error) {
    if (!(error instanceof UnstorableResult)) throw error;
    return toLog(whole(storable(fate)));
  }
}

function storable(fate: Fate): Fate {
  if (fate.state !== 'committed') return fate;
  const { result, ...rest } = fate;
  try {
    toJson(result);
    return fate;
  } catch (error) {
    if (!(error instanceof UnstorableResult)) throw error;
    return { ...rest, unstored: error.message };
  }
}

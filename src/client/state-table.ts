import type { StateTableCaller } from '../contracts/state-table.js';

/**
 * Makes this process a caller of the state table: it connects to the services' databases and to the callers' own, and to no Temporal
 * server. That is loaded here and only when it is asked for, as in `direct.ts`.
 *
 * @throws ConfigError: one line
 */
export async function openStateTable(): Promise<StateTableCaller> {
  const { openShopCallers } = await import('../state-table.js');
  return openShopCallers();
}

import {
  transfer2pcTransaction,
  transfer3pcTransaction,
  transferSagaTransaction,
  transferTccTransaction,
} from '../../src/contracts/transactions.js';
import { transferGid, type Transfer } from '../../src/contracts/transfer.js';
import { agentId } from '../../src/kit/workflow/index.js';

/** The schemes by which money is moved, in the order in which they are printed. */
export const schemes = {
  saga: transferSagaTransaction,
  tcc: transferTccTransaction,
  '2pc': transfer2pcTransaction,
  '3pc': transfer3pcTransaction,
} as const;

export type SchemeName = keyof typeof schemes;
export const schemeNames = Object.keys(schemes) as SchemeName[];

/** The workflows that a transfer takes, by their ids: in three-phase commit each participant has an agent of its own. */
export function workflowsOf(scheme: SchemeName, { id, from, to }: Transfer): string[] {
  const gid = transferGid(id);
  if (scheme !== '3pc') return [gid];
  const banks = new Set([...from, ...to].map(({ bank }) => bank));
  return [gid, ...[...banks].map((bank) => agentId(gid, bank))];
}

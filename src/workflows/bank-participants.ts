import type { Bank } from '../activities/banks/index.js';
import type { BankName } from '../contracts/transfer.js';
import { participant } from '../kit/workflow/index.js';

/** The banks, for the transactions that ask them. */
export const banks = {
  bank_a: participant<Bank>('bank_a'),
  bank_b: participant<Bank>('bank_b'),
  bank_c: participant<Bank>('bank_c'),
} as const satisfies Record<BankName, unknown>;

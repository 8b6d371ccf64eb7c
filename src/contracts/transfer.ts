import { z } from 'zod';
import type { ExactCents } from './money.js';

/** The banks between which money moves, each with a database of its own. */
export const bankNames = ['bank_a', 'bank_b', 'bank_c'] as const;
export type BankName = (typeof bankNames)[number];

/** Accounts on one side of a transfer, at most. */
const MAX_LEGS = 20;

const idError = 'must be 1 to 64 letters, digits, dots, dashes or underscores, the first a letter or digit';
const id = z.string({ error: idError }).regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, { error: idError });

const amountError = `must be a whole number of cents from 1 to ${Number.MAX_SAFE_INTEGER}`;
const isAmount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;
/** Cents. */
const amount = z.custom<number>(isAmount, { error: amountError });

const bank = z.enum(bankNames, { error: `must be one of ${bankNames.join(', ')}` });

/** What is asked of a bank: to move money from or to one of its accounts. */
export const moveSchema = z.strictObject({ account: id, amount });
export type Move = z.output<typeof moveSchema>;

/** What is asked of a bank about one of its accounts. */
export const accountOfSchema = z.strictObject({ account: id });
export type OfBankAccount = z.output<typeof accountOfSchema>;

/** What a two-phase commit asks of a bank: all that a transfer moves there, each by the name of its movement. */
const movements = z.array(z.strictObject({ leg: id, ...moveSchema.shape })).max(MAX_LEGS);
export const movesSchema = z.strictObject({ from: movements, to: movements });
export type Moves = z.output<typeof movesSchema>;

/** An account of a transfer, and how much it gives or gets. */
export const legSchema = z.strictObject(
  { bank, ...moveSchema.shape },
  { error: (issue) => (issue.code === 'invalid_type' ? 'must be a bank, an account and an amount' : undefined) },
);
export type Leg = z.output<typeof legSchema>;

/** What a bank is asked that sends money by messages: to debit one account, for others to be credited. */
export const sendSchema = z.strictObject({ ...moveSchema.shape, to: z.array(legSchema).min(1).max(MAX_LEGS) });
export type Send = z.output<typeof sendSchema>;

/** What a bank is told by a message: to credit an account, for a transfer and the part of it. */
export const messageOfCreditSchema = z.strictObject({ gid: z.string().min(1), branch: id, ...moveSchema.shape });
export type MessageOfCredit = z.output<typeof messageOfCreditSchema>;

const legs = z.array(legSchema, { error: 'must be a list of banks, accounts and amounts' });

/** What a caller gives to have money moved: from 1 to 20 accounts, to 1 to 20 others, as much in as out. */
export const transferSchema = z.strictObject({ id, from: legs, to: legs }).superRefine(({ from, to }, context) => {
  const refuse = (message: string, path: PropertyKey[] = []) => {
    context.addIssue({ code: 'custom', message, path });
  };
  const wrong = Object.entries({ from, to }).filter(([, { length }]) => length < 1 || length > MAX_LEGS);
  for (const [side, { length }] of wrong) refuse(`${side}: ${length} accounts: must be 1 to ${MAX_LEGS}`);
  if (wrong.length > 0) return;
  const known = new Map<string, string>();
  for (const [side, list] of Object.entries({ from, to })) {
    for (const [index, { bank, account }] of list.entries()) {
      const key = `${bank}:${account}`;
      const where = known.get(key);
      if (where === undefined) known.set(key, `${side}.${index}`);
      else refuse(`must be named once: ${key} is ${where} too`, [side, index, 'account']);
    }
  }
  const [out, into] = [sumOf(from), sumOf(to)];
  if (out !== into) refuse(`from and to: ${out} and ${into} cents: must have the same sum`);
  else if (out > Number.MAX_SAFE_INTEGER) refuse(`from and to: ${out} cents: must be below 2^53 in all`);
});

export type Transfer = z.output<typeof transferSchema>;

/** The same for a transfer by message: the account that gives is debited in one local transaction of its bank. */
export const transferMessageSchema = transferSchema.superRefine(({ from: { length } }, context) => {
  if (length < 2 || length > MAX_LEGS) return;
  const message = `from: ${length} accounts: must be 1 for a transfer by message, whose debit is one local transaction`;
  context.addIssue({ code: 'custom', message, path: [] });
});

/** What a transfer answers. */
export interface Transferred {
  id: string;
  /** Cents that were moved in all. */
  amount: number;
}

/** The gid of a transfer, whatever its scheme: one id is one transfer. */
export function transferGid(transferId: string): string {
  return `transfer-${transferId}`;
}

/** Accounts that one statement opens, at most. */
const MAX_OPENED = 1_000;
const centsError = `must be a whole number of cents from 0 to ${Number.MAX_SAFE_INTEGER}`;
const cents = z.int({ error: centsError }).min(0, { error: centsError });

/** Accounts to open, and the cents that each starts with. */
export const openAccountsSchema = z.strictObject({ bank, accounts: z.array(id).max(MAX_OPENED), cents });
export type OpenAccounts = z.output<typeof openAccountsSchema>;

/** The demo's customers, each with an account at a bank of their own. */
export const demoAccounts: readonly OpenAccounts[] = [
  { bank: 'bank_a', accounts: ['alice'], cents: 100_000 },
  { bank: 'bank_b', accounts: ['bob'], cents: 100_000 },
  { bank: 'bank_c', accounts: ['carol'], cents: 100_000 },
];

export const accountSchema = z.strictObject({ bank, account: id });
export type OfAccount = z.output<typeof accountSchema>;

/** Which bank's accounts to list. */
export const listAccountsSchema = z.strictObject({ bank });
export type ListAccounts = z.output<typeof listAccountsSchema>;

/** `frozen`: it can be neither debited nor credited for a while; `closed`: nor ever again, unless it is opened anew. */
export const accountStatuses = ['open', 'frozen', 'closed'] as const;
const status = z.enum(accountStatuses);
export type AccountStatus = z.output<typeof status>;

export const accountStatusSchema = z.strictObject({ bank, account: id, status });
export type SetAccountStatus = z.output<typeof accountStatusSchema>;

/** An account as its bank has it. Amounts are cents. */
export interface AccountState {
  status: AccountStatus;
  balance: ExactCents;
  /** The part of the balance that is held for transfers that have not ended. */
  held: ExactCents;
  /** What can be spent. */
  available: ExactCents;
  /** Transfers that wait for their confirm or cancel here, in or out. */
  holds: number;
  /** The gid of the transfer that has locked it, if one has. */
  lockedBy: string | null;
  /** Since when, in milliseconds since 1970. */
  lockedAt: number | null;
}

/** An account of a list. */
export interface ListedAccount extends AccountState {
  account: string;
}

/** Accounts of a bank that one look lists, the first by name. */
export const MAX_LISTED = 100;

/** Exact, however large. */
function sumOf(list: readonly Leg[]): bigint {
  return list.reduce((sum, each) => sum + BigInt(each.amount), 0n);
}

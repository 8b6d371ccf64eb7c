import { randomUUID } from 'node:crypto';
import { bankNames, transferGid, type BankName, type Transfer } from '../../../src/contracts/transfer.js';
import { runJob } from '../../../src/kit/client/index.js';
import { lanes, planCalls, type Lane } from '../faults.js';
import { Random } from '../random.js';
import { readBanks, type Seen } from './banks.js';
import type { Business, TransactionName, Wanted } from './business.js';
import { legsOf } from './legs.js';
import { wrongMoney } from './money.js';

/** Accounts of each bank: 300 in all. */
const ACCOUNTS = 100;
/** What each begins with, in cents, and the most that one transfer takes from one of them: some cannot pay. */
const OPENING_CENTS = 10_000;
const MAX_CENTS = 4_000;
const MAX_LEGS = 3;

/** The schemes that money is moved in, each with the lanes that it has. */
const schemes: readonly { readonly transaction: TransactionName; readonly lanes: readonly Lane[] }[] = [
  { transaction: 'transferSaga', lanes },
  { transaction: 'transferSagaLocked', lanes: ['durable', 'lean'] },
  { transaction: 'transferTcc', lanes: ['durable', 'lean'] },
  { transaction: 'transfer2pc', lanes: ['durable'] },
  { transaction: 'transfer3pc', lanes: ['durable'] },
];

const accounts: readonly (readonly [BankName, string])[] = bankNames.flatMap((bank) =>
  Array.from({ length: ACCOUNTS }, (_, index) => [bank, accountOf(index)] as const),
);

/** Money that moves between 300 accounts of three banks, by every scheme. */
export const transfers: Business = {
  first: [{ branch: 'from-1', services: bankNames }],
  mix: schemes.map(({ transaction }) => transaction),

  wanted(seed, count, choice) {
    const random = new Random(seed ^ 0x7a4f);
    // Dealt as a pack of cards is: as many of one scheme as of another.
    const packs = Array.from({ length: Math.ceil(count / schemes.length) }, () => schemes);
    const dealt = random.shuffled(packs.flat().slice(0, count));
    const made = dealt.map((scheme, index) => ({ ...scheme, input: randomTransfer(random, `c${index + 1}`) }));
    const plans = planCalls(
      seed,
      made.map((each) => each.lanes),
      choice,
    );
    return Promise.resolve(
      made.flatMap(({ transaction, input }, index): Wanted[] => {
        const plan = plans[index];
        return plan === undefined ? [] : [{ gid: transferGid(input.id), transaction, input, plan }];
      }),
    );
  },

  async open({ client, temporal }) {
    const names = Array.from({ length: ACCOUNTS }, (_, index) => accountOf(index));
    const opening = bankNames.map((bank) => ({ bank, accounts: names, cents: OPENING_CENTS }));
    await runJob(client, temporal, 'openBanks', `open-banks-${randomUUID()}`, [opening]);
  },

  async rows(place, wanted) {
    const known = new Map(wanted.map((each) => [each.gid, each]));
    const moved = new Map<string, Seen['entries'][number][]>();
    for (const entry of (await readBanks(place)).entries) {
      moved.set(entry.gid, [...(moved.get(entry.gid) ?? []), entry]);
    }
    return new Map([...moved].map(([gid, entries]) => [gid, comparedWith(known.get(gid), entries)]));
  },

  async always(place, wanted) {
    return wrongMoney(await readBanks(place), wanted, { accounts: accounts.length, cents: OPENING_CENTS });
  },

  async leftovers(place) {
    const { accounts, holds, announced, prepared } = await readBanks(place);
    return [
      ...holds
        .filter(({ state }) => state === 'held')
        .map(({ bank, gid, branch }) => `${bank}: a hold is left, of ${gid} ${branch}`),
      ...prepared.map(({ bank, gid }) => `${bank}: a prepared transaction is left, of ${gid}`),
      ...announced
        .filter(({ state, isEnded }) => state === 'announced' && !isEnded)
        .map(({ bank, gid }) => `${bank}: ${gid} is announced, and neither moved nor dropped`),
      ...accounts
        .filter(({ held, holds: count }) => held !== 0 || count !== 0)
        .map(
          ({ bank, account, held, holds: count }) =>
            `${bank}: ${held} cents of ${account} are frozen, by ${count} holds`,
        ),
      ...accounts
        .filter(({ lockedBy }) => lockedBy !== null)
        .map(({ bank, account, lockedBy }) => `${bank}: ${account} is still locked by ${lockedBy}`),
    ];
  },
};

/** `done`: exactly what was asked; `undone`: nothing, in the end. */
function comparedWith(wanted: Wanted | undefined, entries: Seen['entries']): string {
  const amounts = new Map<string, number>();
  for (const { bank, account, amount } of entries) {
    const at = `${bank}:${account}`;
    amounts.set(at, (amounts.get(at) ?? 0) + amount);
  }
  for (const [at, amount] of amounts) if (amount === 0) amounts.delete(at);
  if (amounts.size === 0) return 'undone';
  if (wanted === undefined) return 'moved, and not known';
  const legs = [...legsOf(wanted).values()];
  const same = legs.length === amounts.size && legs.every(({ at, amount }) => amounts.get(at) === amount);
  return same ? 'done' : `moved ${[...amounts].map(([key, amount]) => `${amount} on ${key}`).join(', ')} only`;
}

/** From 1 to 3 accounts to 1 to 3 others, or as many as are said. */
export function randomTransfer(
  random: Random,
  id: string,
  counts: { readonly from?: number; readonly to?: number } = {},
): Transfer {
  const chosen = random.shuffled(accounts);
  const from = chosen.slice(0, counts.from ?? random.integer(1, MAX_LEGS)).map(([bank, account]) => ({
    bank,
    account,
    amount: random.integer(MAX_LEGS, MAX_CENTS),
  }));
  const sum = from.reduce((total, { amount }) => total + amount, 0);
  const targets = chosen.slice(from.length, from.length + (counts.to ?? random.integer(1, MAX_LEGS)));
  const share = Math.floor(sum / targets.length);
  const to = targets.map(([bank, account], index) => ({
    bank,
    account,
    amount: index === 0 ? sum - share * (targets.length - 1) : share,
  }));
  return { id, from, to };
}

export function accountOf(index: number): string {
  return `a${String(index + 1).padStart(3, '0')}`;
}

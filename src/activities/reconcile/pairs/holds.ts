import type { Database, Drift, Operation, Pair } from '../../../kit/database/index.js';
import type { Bank } from '../../banks/index.js';
import { endHold } from '../holds.js';

/** What should have been confirmed or cancelled by now. */
const OVERDUE = `select gid as key, branch as value from holds where state = 'held' and expires_at < now()`;
const HELD = `
select gid, branch, account, kind, amount::text as amount from holds
where state = 'held' and expires_at < now() and gid = any ($1) order by gid, branch`;

interface HoldRow {
  readonly gid: string;
  readonly branch: string;
  readonly account: string;
  readonly kind: 'debit' | 'credit';
  readonly amount: string;
}

interface Forgotten extends HoldRow {
  readonly bank: string;
}

interface Decided {
  readonly end: 'confirm' | 'cancel';
  readonly holds: readonly Forgotten[];
}

/** A bank holds money only for a transaction that has not ended. */
export function holds(
  banks: Readonly<Record<string, Database>>,
  participants: Readonly<Record<string, Pick<Bank, 'withdraw' | 'deposit'>>>,
): Pair {
  const all = Object.entries(banks);
  const endAll = async ({ data }: Drift, operation: Operation) => {
    const { end, holds } = data as Decided;
    for (const { bank, gid, branch, kind, account, amount } of holds) {
      const { withdraw, deposit } = participants[bank] ?? {};
      const own = kind === 'debit' ? withdraw : deposit;
      await own?.[end](endHold(operation, { gid, branch, op: end }), { account, amount: Number(amount) });
    }
  };
  return {
    name: 'holds-transactions',
    what: 'a bank holds money only for a transaction that has not ended',
    by: 'buckets',
    classes: {
      'hold-forgotten': {
        what: 'money is held for a transaction that has ended, or is not there',
        repair: { what: 'confirms or cancels it, as its transaction has decided', run: endAll },
      },
    },
    sides: [{ parts: all.map(([, database]) => ({ database, rows: OVERDUE })) }, 'none'],
    gidsOf: (gid) => [gid],
    async judge(gids, { statesOf }) {
      const [states, ...found] = await Promise.all([
        statesOf(gids),
        ...all.map(async ([bank, database]) =>
          (await database.run<HoldRow>(HELD, [gids])).map((row): Forgotten => ({ bank, ...row })),
        ),
      ]);
      return gids.flatMap((key) => {
        const own = found.flat().filter(({ gid }) => gid === key);
        if (own.length === 0) return [];
        const state = states.get(key);
        const held = own.map(({ bank, account, kind, amount }) => `${kind} of ${amount} cents at ${bank}:${account}`);
        const detail = `${held.join(', ')}; its transaction is ${state ?? 'not known'}`;
        const end = state === 'committed' ? 'confirm' : 'cancel';
        const isDecided = state === 'committed' || state === 'compensated';
        const unsafe = isDecided ? {} : { unsafe: 'what its transaction has decided is not known' };
        return [{ class: 'hold-forgotten', key, detail, data: { end, holds: own } satisfies Decided, ...unsafe }];
      });
    },
  };
}

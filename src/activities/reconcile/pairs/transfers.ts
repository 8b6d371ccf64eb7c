import { purchaseGid } from '../../../contracts/bookstore.js';
import { formatCents } from '../../../contracts/money.js';
import type { BankName } from '../../../contracts/transfer.js';
import type { Database, Pair } from '../../../kit/database/index.js';
import { SINCE } from '../orders.js';

/** The banks' databases. */
export type Banks = Readonly<Record<BankName, Database>>;

/** What transfers took out of a bank's accounts and did not put into them. A purchase has a pair of its own. */
const CLEARING = `
select gid as key, amount as value from entries
where account = 'clearing' and not starts_with(gid, '${purchaseGid('')}') and entered_at >= ${SINCE}`;

const MOVED = `
select gid, sum(amount)::text as cents from entries
where account = 'clearing' and gid = any ($1) group by gid`;
const PREPARED = `select gid, state from transfers where gid = any ($1)`;

/** Prepared transactions that were committed, and not by who asks for it: there is no row of a commit. */
const BY_HAND = `
select transfers.gid as key, transfers.branch as value from transfers
join backstitch.guard on guard.gid = transfers.gid and guard.branch = transfers.branch and phase = 1
where state = 'moved' and guard.result #>> '{}' = 'yes' and transfers.ended_at >= ${SINCE} and not exists (
  select from backstitch.guard as second where second.gid = transfers.gid and second.branch = transfers.branch and second.phase = 2
)`;

/** What a transfer takes from accounts comes to others, over all banks. */
export function transfers(banks: Banks): Pair {
  const all = Object.entries(banks);
  return {
    name: 'transfers',
    what: 'what a transfer takes from accounts comes to others, over all banks',
    by: 'ranges',
    classes: {
      'half-transfer': { what: 'money was taken and has not arrived, or has arrived and was not taken' },
      'prepared-rolled-back-by-hand': {
        what: 'a two-phase commit has decided to move money, and a bank has not moved its part',
      },
    },
    sides: [{ parts: all.map(([, database]) => ({ database, rows: CLEARING })), sums: true }, 'none'],
    gidsOf: (gid) => [gid],
    async judge(gids, { statesOf }) {
      const moved = await Promise.all(
        all.map(async ([bank, database]) => {
          const [rows, prepared] = await Promise.all([
            database.run<{ gid: string; cents: string }>(MOVED, [gids]),
            database.run<{ gid: string; state: string }>(PREPARED, [gids]),
          ]);
          return { bank, rows, prepared };
        }),
      );
      const centsOf = (gid: string) =>
        moved.flatMap(({ bank, rows }) =>
          rows
            .filter((row) => row.gid === gid && row.cents !== '0')
            .map(({ cents }) => ({ bank, cents: BigInt(cents) })),
        );
      const half = gids.filter((gid) => centsOf(gid).reduce((sum, { cents }) => sum + cents, 0n) !== 0n);
      const isPrepared = (gid: string) => moved.some(({ prepared }) => prepared.some((row) => row.gid === gid));
      const states = await statesOf(half.filter(isPrepared));
      return half.flatMap((key) => {
        const words = centsOf(key).map(({ bank, cents }) =>
          cents > 0n ? `${formatCents(String(cents))} left ${bank}` : `${formatCents(String(-cents))} came to ${bank}`,
        );
        const state = states.get(key);
        // What was undone, and is moved all the same, was committed by hand: that is told as such.
        if (state === 'compensated') return [];
        const name = state === 'committed' ? 'prepared-rolled-back-by-hand' : 'half-transfer';
        return [{ class: name, key, detail: words.join(', ') }];
      });
    },
  };
}

/** What is committed of a two-phase commit is what its coordinator has decided. */
export function decisions(banks: Banks): Pair {
  const all = Object.entries(banks);
  return {
    name: 'prepared-decisions',
    what: 'what was prepared for a transfer and is committed is what its coordinator has decided',
    by: 'buckets',
    classes: {
      'prepared-committed-by-hand': {
        what: 'a prepared transaction is committed whose coordinator has undone all of it',
      },
    },
    sides: [{ parts: all.map(([, database]) => ({ database, rows: BY_HAND })) }, 'none'],
    gidsOf: (gid) => [gid],
    async judge(gids, { statesOf }) {
      const [states, found] = await Promise.all([
        statesOf(gids),
        Promise.all(
          all.map(async ([bank, database]) => {
            const text = `with since as (select '-infinity'::timestamptz as at) select key, value from (${BY_HAND}) as found where key = any ($1)`;
            return { bank, rows: await database.run<{ key: string; value: string }>(text, [gids]) };
          }),
        ),
      ]);
      return gids.flatMap((key) => {
        if (states.get(key) !== 'compensated') return [];
        const at = found.flatMap(({ bank, rows }) =>
          rows.filter((row) => row.key === key).map(({ value }) => `${value} at ${bank}`),
        );
        if (at.length === 0) return [];
        return [
          { class: 'prepared-committed-by-hand', key, detail: `it was undone, and is committed: ${at.join(', ')}` },
        ];
      });
    },
  };
}

import { createFaults } from './activities/faults.js';
import { createShop, serviceNames, type Shop } from './activities/index.js';
import { orderCalls, transferCalls } from './activities/callers/index.js';
import { ConfigError, workerSettings } from './config.js';
import { orderGid } from './contracts/place-order.js';
import type { StateTableCaller } from './contracts/state-table.js';
import { transferGid, type Transfer } from './contracts/transfer.js';
import { wantedFaults } from './faults.js';
import {
  GidConflict,
  InvalidInput,
  TransactionCompensated,
  TransactionFailed,
  TransactionPending,
  type InputIssue,
} from './kit/client/index.js';
import {
  StateTableConflict,
  StateTableUnavailable,
  type Database,
  type StateAnswer,
  type StateRow,
} from './kit/database/index.js';
import { messageOf } from './kit/database/message.js';
import { functionsOf } from './kit/direct/participants.js';
import { stateReport } from './kit/workflow/state-table/view.js';
import { describeReport } from './kit/workflow/saga/report.js';
import { Pools } from './pools.js';

/** The caller whose answer is not there: neither a failure nor a success. */
class StatePending extends TransactionPending {
  constructor(gid: string, begun: boolean, line: string) {
    super({ gid, state: 'running', taskQueue: '', begun });
    this.message = `${gid}: pending: ask again later: ${line}`;
  }
}

/**
 * Makes this process a caller of the state table, as a service would be that has one. It needs no Temporal server, and each of the
 * services only when it is called; what it leaves behind workers go on with.
 *
 * @throws ConfigError: one line
 */
export function openShopCallers(): StateTableCaller {
  const { databaseUrls, poolSize, faults: wanted } = workerSettings(serviceNames);
  const pools = new Pools();
  // Whether one can be reached is found out when it is asked: that the others can be is enough to begin.
  const open = (name: string) => [name, pools.open(name, databaseUrls[name], poolSize)] as const;
  const databases = Object.fromEntries(serviceNames.map(open)) as Record<(typeof serviceNames)[number], Database>;
  const faults = createFaults();
  const shop = createShop({ databases, probe: faults.probe });
  for (const fault of wantedFaults(wanted, [...functionsOf(shop.participants).keys()])) faults.set(fault);

  type Calls = Parameters<Shop['callers']['run']>[1];
  const look = async (gid: string) => {
    try {
      return await shop.callers.look(gid);
    } catch (error) {
      // An earlier call may have begun it: only a new id is known not to have been used.
      const line = `whether it has begun is not known: ${unusable(error)}: nothing was begun by this call`;
      throw new StatePending(gid, false, line);
    }
  };
  const run = async (gid: string, calls: Calls, { withinMs, isNew, check }: Asked) => {
    // What was begun is not checked again: it is asked for its outcome.
    const found = isNew ? undefined : await look(gid);
    if (found === undefined) await check();
    const answer = await shop.callers.run(gid, calls, { withinMs, isNew }).catch((error: unknown) => {
      if (error instanceof StateTableConflict) throw new GidConflict(gid, 'with other content');
      if (!(error instanceof StateTableUnavailable)) throw error;
      throw new ConfigError(`${unusable(error.cause)}: nothing was begun`);
    });
    if (answer.answer === 'success') return answer.results;
    if (answer.answer !== 'pending') throw ended(gid, calls, answer);
    const why = answer.failure === undefined ? 'no answer yet' : `${answer.failure.type}: ${answer.failure.message}`;
    const begun = answer.stored || found !== undefined;
    const done = begun
      ? `${Math.max(answer.done, found?.done ?? 0)} of ${calls.length} done`
      : 'whether it has begun is not known yet';
    throw new StatePending(gid, begun, `${done} (${why})`);
  };
  return {
    async transfer(transfer, { withinMs, isNew = false }) {
      const gid = transferGid(transfer.id);
      const amount = transfer.from.reduce((sum, leg) => sum + leg.amount, 0);
      await run(gid, transferCalls(transfer), { withinMs, isNew, check: () => checkAccounts(shop, transfer) });
      return { id: transfer.id, amount };
    },
    async placeOrder(order, { withinMs, isNew = false }) {
      const { orderId, customerId } = order;
      const check = () => checkCustomer(shop, customerId);
      const results = await run(orderGid(orderId), orderCalls(order), { withinMs, isNew, check });
      const { pointsSpent } = results[1] as { pointsSpent: number };
      return { orderId, pointsSpent };
    },
    close: () => pools.close(),
  };
}

/** How a list is asked for. */
interface Asked {
  readonly withinMs: number;
  readonly isNew: boolean;
  /** Looks whether what is asked makes sense, before any of it is begun. @throws InvalidInput */
  readonly check: () => Promise<void>;
}

function unusable(error: unknown): string {
  return `the callers' database cannot be used (${messageOf(error)}): see that it is up, that a worker has made its table, and DATABASE_URL_CALLERS or DATABASE_URL`;
}

/** What an answer says that is none of success, and is known: nothing is asked for a second time, which could fail. */
function ended(
  gid: string,
  calls: StateRow['calls'],
  answer: Exclude<StateAnswer, { answer: 'success' | 'pending' }>,
): Error {
  const { answer: state, failure } = answer;
  const done = 'done' in answer ? answer.done : 0;
  const report = stateReport({ gid, state, done, calls, failure });
  if (report?.state === 'compensated') return new TransactionCompensated(describeReport(report), report);
  if (report !== undefined) return new TransactionFailed(describeReport(report), report);
  const cause = new Error(`${failure.type}: ${failure.message}`);
  return new TransactionPending({ gid, state: 'stuck', taskQueue: '', cause });
}

/**
 * Nothing that is done is undone: so it is looked beforehand whether what comes last can be done. A bank that is silent is not asked
 * for long, and keeps nobody: then it is found out when it is called.
 */
async function checkAccounts({ plain }: Shop, transfer: Transfer): Promise<void> {
  const legs = (['from', 'to'] as const).flatMap((side) => transfer[side].map((leg) => ({ side, ...leg })));
  const issues = await Promise.all(
    legs.map(async ({ side, bank, account }): Promise<InputIssue[]> => {
      const state = await plain['banks.account']({ bank, account }).catch(() => undefined);
      const issue = (rule: string) => [{ field: `--${side}`, value: `${bank}:${account}`, rule }];
      if (state === null) return issue(`${bank} has no such account: nothing was started`);
      if (state === undefined || state.status === 'open') return [];
      return issue(`${bank} has it ${state.status}: nothing was started`);
    }),
  );
  if (issues.flat().length > 0) throw new InvalidInput(issues.flat());
}

async function checkCustomer({ plain }: Shop, customerId: string): Promise<void> {
  const isThere = await plain['orders.hasCustomer']({ customerId }).catch(() => true);
  if (isThere) return;
  throw new InvalidInput([
    { field: 'customerId', value: customerId, rule: 'the shop has no such customer: nothing was started' },
  ]);
}

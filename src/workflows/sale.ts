import { ActivityFailure, proxyActivities, sleep, workflowInfo } from '@temporalio/workflow';
import type { ShopActivities } from '../activities/index.js';
import type {
  OfSale,
  OfSalePurchase,
  OpenSale,
  ReclaimedStock,
  ReclaimPlace,
  ReclaimReport,
  SaleBooks,
  SalePurchase,
  SettledSales,
} from '../contracts/sale.js';
import { raiseAlarm, type Alarm } from '../kit/workflow/index.js';
import { asked, looking } from './asking.js';

/** Flash sales, but for buying and paying, which no workflow is in the path of. Each is idempotent, and can be run again at any time. */

const reclaiming = proxyActivities<ShopActivities>({
  startToCloseTimeout: '5 minutes',
  heartbeatTimeout: '1 minute',
  retry: { initialInterval: '1 second', maximumAttempts: 4 },
});

/** Batches of one round: what is due beyond that the next round goes on with, from where this one was. */
const MOST_BATCHES = 200;
/** Purchases that a round names as not reclaimed; and sales of which it tells how many. */
const NAMED = { purchases: 20, sales: 100 };
/** How long a round waits until its alarms are raised. */
const ALARMS_MS = 60_000;
const DAY_MS = 24 * 60 * 60_000;

/** Opens a sale: its units leave the stock. */
export async function openSale(sale: OpenSale): Promise<SaleBooks | null> {
  return asked['sale.open'](sale);
}

/** Closes a sale, and settles it if nothing of it waits any more; `null`: there is none. */
export async function closeSale(of: OfSale): Promise<SaleBooks | null> {
  if ((await asked['sale.close'](of)) === null) return null;
  const [unsettled] = settledOf(await asked['sale.settle'](of)).unsettled;
  const books = await asked['sale.books'](of);
  return books && { ...books, ...(unsettled && { unsettled: unsettled.message }) };
}

/** A sale's books; `null`: there is none. */
export async function saleBooks(of: OfSale): Promise<SaleBooks | null> {
  return looking['sale.books'](of);
}

/** A purchase as the two databases have it; `null`: nothing was occupied for it. */
export async function salePurchase(of: OfSalePurchase): Promise<SalePurchase | null> {
  return looking['sale.purchase'](of);
}

/**
 * A round of reclaiming: all that is due, batch by batch; then closed sales are settled. What could not be reclaimed or settled an alarm
 * tells of, once a day for each sale, and the next round tries again; it stops none of the others. And it tells of what was paid when its
 * units had been released: whoever took that money has no alarms.
 *
 * @param order `batches`: at most so many; default 200, of 500 purchases each. `after`: where the last round was; default: of a schedule, what
 * its last round says
 * @throws the failure of a database that could not be asked, of which an alarm tells too: the next round begins again
 */
export async function reclaimStock({
  batches = MOST_BATCHES,
  after: given,
}: { batches?: number; after?: ReclaimPlace } = {}): Promise<ReclaimReport> {
  const last = workflowInfo().lastResult as ReclaimReport | undefined;
  const report: ReclaimReport = {
    ...{ due: 0, released: 0, consumed: 0, failed: [], failedCount: 0, failedBySale: [] },
    ...{ settled: [], unsettled: [], torn: [] },
  };
  let after: ReclaimPlace | undefined = given ?? last?.next;
  try {
    for (let batch = 0; batch < batches; batch++) {
      const done: ReclaimedStock = await reclaiming['sale.reclaim']({ after });
      report.due += done.due;
      report.released += done.released;
      report.consumed += done.consumed;
      report.failedCount += done.failedCount;
      report.failed = [...report.failed, ...done.failed].slice(0, NAMED.purchases);
      for (const part of done.failedBySale ?? []) {
        const known = report.failedBySale.find(({ sale }) => sale === part.sale);
        if (known !== undefined) known.count += part.count;
        else if (report.failedBySale.length < NAMED.sales) report.failedBySale.push(part);
      }
      after = done.next;
      if (after === undefined) break;
    }
    Object.assign(report, settledOf(await reclaiming['sale.settle']()));
    report.torn = await reclaiming['sale.torn']();
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    await raise({ what: 'round', message: `no round of reclaiming could be made: ${error.cause?.message ?? ''}` });
    throw error;
  }
  for (const { sale, count, id, message: why } of report.failedBySale) {
    const message = `sale ${sale}: ${count} purchases could not be reclaimed, ${id} among them: ${why}`;
    await raise({ what: sale, message });
  }
  for (const { sale, message: why } of report.unsettled) {
    await raise({ what: `settle/${sale}`, message: `sale ${sale} could not be settled: ${why}` });
  }
  for (const { sale, count, id } of report.torn) {
    const message = `sale ${sale}: ${count} purchases were paid when their units had been released, ${id} among them: give the money back, or find units`;
    await raise({ what: `torn/${sale}`, kind: 'paid-not-held', message });
  }
  return { ...report, ...(after && { next: after }) };
}

/** A worker of an older release answers with the sales that it has settled. */
function settledOf(answer: SettledSales | string[]): SettledSales {
  return Array.isArray(answer) ? { settled: answer, unsettled: [] } : answer;
}

interface Told {
  /** What it is about: of one thing there is one alarm a day. */
  readonly what: string;
  readonly kind?: string;
  readonly message: string;
}

/** To raise an alarm is to send a signal: where that does not work, the report still tells. */
async function raise({ what, kind = 'not-reclaimed', message }: Told): Promise<void> {
  const at = Date.now();
  const alarm: Alarm = { id: `reclaim/${what}/${Math.floor(at / DAY_MS)}`, kind, at, message };
  await Promise.race([raiseAlarm(alarm).catch(() => undefined), sleep(ALARMS_MS)]);
}

import assert from 'node:assert/strict';
import { Client, type Connection } from '@temporalio/client';
import { bankNames } from '../../src/contracts/transfer.js';
import {
  crashMatrix,
  type MatrixCase,
  type MatrixFault,
  type MatrixReport,
  type MatrixSteps,
} from '../../src/kit/testing/index.js';
import { transpiled } from '../support/transpiled.js';
import { EVERY, isInShare, leastOf, ONLY, shareOfToday } from './share.js';
import { openMatrixShop, type MatrixShop } from './shop.js';
import { effectsOf, lockedEffectsOf, movedCents, openAccounts, transferOf } from './transfers.js';
import { assertNoneWrong, ofFaults } from './wrong.js';
import { connectTo } from '../support/connection.js';

const PAIRS = Number(process.env.MATRIX_PAIRS_TRANSFER ?? 12);
const SEED = Number(process.env.MATRIX_SEED ?? 1);
const TODAY = shareOfToday();

/** Of a three-phase commit, whose faults at different banks may be alike: whether a fault is not the same as one at another bank. */
function isOwn3pc({ step, operation, kind }: MatrixFault): boolean {
  // All are asked at once whether they could: it matters little which of them it is.
  if (operation === 'canCommit') return step === 'bank_b';
  // There is one before it and one after it, which matters to who decides alone: where a run ends.
  return step !== 'bank_b' || endsRun({ kind });
}

function endsRun({ kind }: Pick<MatrixFault, 'kind'>): boolean {
  return /^(terminated|agent-ended)-/.test(kind);
}

interface Scheme {
  readonly steps: MatrixSteps;
  /** Single faults, at least, of both halves. */
  readonly single: number;
  readonly effects: (shop: MatrixShop, gid: string) => Promise<Record<string, number>>;
  /** Which cases. Default: all. */
  readonly only?: (matrixCase: MatrixCase) => boolean;
  /** Which faults are of both halves. Default: none. */
  readonly daily?: (fault: MatrixFault) => boolean;
  /** Cases at a time. Default: 20. */
  readonly concurrency?: number;
  /** Its banks may decide differently: docs/3pc.md says when. */
  readonly splits?: true;
}

const byBank = (shop: MatrixShop, gid: string) => effectsOf(shop, gid, 'bank');
const moves = { 'from-1': 'step', 'from-2': 'step', 'to-1': 'step' } as const;

const schemes: Record<string, Scheme> = {
  transferSaga: { steps: moves, single: 100, effects: effectsOf },
  transferSagaLocked: {
    steps: {
      ...{ 'lock-1': 'step', 'lock-2': 'step', 'lock-3': 'step', ...moves },
      ...{ 'unlock-1': 'pivot', 'unlock-2': 'forward', 'unlock-3': 'forward' },
    },
    single: 150,
    effects: lockedEffectsOf,
    // A fault of a movement alone is that of the saga without a lock.
    only: ({ faults }) => faults.length > 1 || faults.some(({ step }) => step.includes('lock')),
  },
  transfer2pc: { steps: { bank_a: 'prepare', bank_b: 'prepare', bank_c: 'prepare' }, single: 150, effects: byBank },
  transferTcc: { steps: { 'from-1': 'try', 'from-2': 'try', 'to-1': 'try' }, single: 150, effects: effectsOf },
  // The last, as what it splits stays so.
  transfer3pc: {
    steps: { bank_a: 'canCommit', bank_b: 'canCommit', bank_c: 'canCommit' },
    single: EVERY ? 220 : 140,
    effects: byBank,
    splits: true,
    only: ({ faults }) => EVERY || faults.length > 1 || faults.every(isOwn3pc),
    daily: endsRun,
    // Each is four workflows, which have so long to vote: with more of them most are too slow, and are run again.
    concurrency: 10,
  },
};

describe('transfers', function () {
  this.timeout(600_000);
  let shop: MatrixShop;
  let connection: Connection;

  before(async () => {
    shop = await openMatrixShop();
    await openAccounts(shop);
    connection = await connectTo(shop.env.TEMPORAL_ADDRESS ?? '');
  });
  after(async () => {
    await connection.close();
    await shop.close();
  });

  for (const [workflow, scheme] of Object.entries(schemes)) {
    const { steps, single, effects, only = () => true, daily = () => false, splits = false, concurrency = 20 } = scheme;
    const share = EVERY ? undefined : isInShare(TODAY);
    const isRun = (each: MatrixCase) => share === undefined || each.faults.some(daily) || share(each);
    describe(`in the crash matrix of ${workflow}`, () => {
      let report: MatrixReport;

      before(async () => {
        report = await crashMatrix({
          client: new Client({ connection }),
          worker: { file: transpiled('test/matrix/shop-worker-program.ts'), execArgv: [], env: shop.env },
          ...{ workflow, steps, input: transferOf, effects: (gid) => effects(shop, gid) },
          pairs: PAIRS,
          seed: SEED,
          concurrency: Number(process.env.MATRIX_CONCURRENCY ?? concurrency),
          histories: process.env.MATRIX_HISTORIES,
          only: (each) => each.name.includes(ONLY) && only(each) && isRun(each),
        });
        console.log(report.table.replaceAll(/^/gm, '    '));
        console.log(`    ${report.ms} ms, ${report.killed} workers killed`);
        if (share) console.log(`    MATRIX_SHARE=${TODAY}: a third of the single faults; MATRIX_EVERY=1: all`);
      });

      const split = (results = report.results) => results.filter(({ verdict }) => verdict === 'split');
      const unless = splits ? ', or is split and says so' : '';

      it(`moves all of the money once or none of it${unless}, and holds nothing, with ${share ? 'each third' : 'every'} fault at every operation`, () => {
        const count = report.results.filter((result) => ofFaults(1)(result.case)).length;
        assert.ok(count >= (share ? leastOf(single) : single), `${count} cases`);
        assertNoneWrong(report, ofFaults(1));
      });

      it(`does so with ${PAIRS} sampled pairs of faults`, () => {
        assert.equal(report.results.filter((result) => ofFaults(2)(result.case)).length, PAIRS);
        assertNoneWrong(report, ofFaults(2));
      });

      if (splits) {
        it('is split by what docs/3pc.md names, and by nothing else', () => {
          const single = split().filter((result) => ofFaults(1)(result.case));
          const names = single.map(({ case: { name } }) => name);
          // The coordinator's run ends between two preCommits, or before every abort has arrived.
          assert.ok(names.includes('bank_b prepare: terminated-before'), names.join('; '));
          for (const name of names) assert.match(name, /^bank_[abc] (prepare|rollback): terminated-/);
        });
      }

      it('leaves books that balance but for what is split, with nothing on its way', async () => {
        const { differences, figures } = await shop.books();
        const lacks = split([...report.results, ...report.redone]).map(({ effects: moved }) =>
          bankNames.reduce((sum, bank) => sum - (moved[bank] ?? 0) * movedCents[bank], 0),
        );
        const lost = lacks.reduce((sum, cents) => sum + cents, 0);
        const found = lost === 0 ? [] : [['what left a bank came to another', String(lost)]];
        assert.deepEqual(
          differences.map(({ check, found: cents }) => [check, cents]),
          found,
        );
        assert.deepEqual([figures.bankClearingCents, figures.bankHolds, figures.bankHeldCents], [lost, 0, 0]);
      });
    });
  }
});

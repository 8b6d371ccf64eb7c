import { amounts, type TransferWay } from './tcc.js';
import { atTheDesk, ended, whenStep } from './ways.js';

/** The paths of transfers by two-phase commit. */

const plain = { scheme: '2pc', input: amounts(100) } as const;

export const twoPhase: Readonly<Record<string, TransferWay>> = {
  '2pc-transferred': plain,
  '2pc-refused': { ...plain, input: amounts(1_000_000) },
  '2pc-single': {
    scheme: '2pc',
    input: (id) => ({
      id,
      from: [{ bank: 'bank_a', account: 'alice', amount: 100 }],
      to: [{ bank: 'bank_a', account: 'anton', amount: 100 }],
    }),
    fault: 'bank_a.move.prepare:fail=1',
  },
  '2pc-prepare-unknown': { ...plain, fault: 'bank_b.move.prepare:die-after-commit=10' },
  '2pc-deadline-exceeded': { ...plain, fault: 'bank_c.move.prepare:hang', call: { deadline: '3 seconds' } },
  '2pc-cancelled': { ...plain, fault: 'bank_c.move.prepare:hang', then: whenStep('bank_c.move.prepare') },
  '2pc-cancelled-while-it-commits': {
    ...plain,
    fault: 'bank_c.move.commit:hang=1',
    then: whenStep('bank_c.move.commit'),
  },
  '2pc-committed-after-retries': { ...plain, fault: 'bank_a.move.commit:fail=2' },
  '2pc-commit-resolved': {
    ...plain,
    fault: 'bank_a.move.commit:die-after-commit=1000',
    call: { forwardWindow: '2 seconds' },
    then: atTheDesk('bank_a', 'resolve'),
  },
  '2pc-settled-and-committed': { ...plain, fault: 'bank_b.move.commit:hang=1', then: ended('bank_b.move.commit') },
  '2pc-settled-and-rolled-back': { ...plain, fault: 'bank_c.move.prepare:hang=1', then: ended('bank_c.move.prepare') },
};

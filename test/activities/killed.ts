/** A process that a fault kills: see faults.test.ts. Ends with code 0 if it survives. */
import { createFaults } from '../../src/activities/faults.js';
import { operation } from './support.js';

const faults = createFaults();
faults.set({ function: 'payments.charge.action', kind: 'kill-after-commit' });
await faults.probe('worked', operation('payments.charge.action', 'g'));
await faults.probe('committed', operation('payments.charge.action', 'g', { attempt: 2 }));
await faults.probe('committed', operation('payments.charge.action', 'g'));

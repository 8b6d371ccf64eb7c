import { participant, saga } from '../../src/kit/workflow/index.js';
import { services, stepsOf, type GrowthOrder, type Service } from './saga.js';
import type { Taker } from './taker.js';

const takers = Object.fromEntries(services.map((service) => [service, participant<Taker>(service)])) as Record<
  Service,
  ReturnType<typeof participant<Taker>>
>;

/** As many steps as the order says, one after the other. */
export const growthSaga = saga({}, async (tx, order: GrowthOrder): Promise<void> => {
  for (const { service, take } of stepsOf(order)) {
    const summary = `take ${take.amount} from ${take.account} of ${service}`;
    await tx.run(take.step, takers[service].take, take, { summary });
  }
});
export { collectLog, deliverAlarms } from '../../src/kit/workflow/index.js';

import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { agentId, TRANSACTION_QUERY, type TransactionView } from '../../src/kit/workflow/index.js';
import { settle } from '../../src/kit/worker/settle.js';
import { amounts, type TransferWay } from './tcc.js';
import { atTheDesk, ended, pending } from './ways.js';

/** The paths of transfers by three-phase commit, and of the agents in them. */

const plain = { scheme: '3pc', input: amounts(100) } as const;

/** Ends the coordinator's run when the first agent is prepared, and the next not yet: they split. */
async function split(handle: WorkflowHandle, client: Client): Promise<void> {
  const first = agentOf(handle, client, 'bank_a');
  for (;;) {
    const view = await first.query<TransactionView>(TRANSACTION_QUERY).catch(() => undefined);
    if (view?.branches[0]?.state === 'succeeded') break;
    await setTimeout(20);
  }
  const before = await handle.describe();
  await handle.terminate('recorded');
  assert.ok(await settle(client, before));
  await atTheDesk('bank_a', 'resolve')(handle, client);
}

/** The second takes a few seconds to prepare: what stops the coordinator meanwhile counts before it asks the third. */
const slowly = { ...plain, fault: 'bank_b.move.prepare:fail=2' } as const;

const agentOf = ({ workflowId }: WorkflowHandle, client: Client, branch: string) =>
  client.workflow.getHandle(agentId(workflowId, branch));

async function cancelled(handle: WorkflowHandle, client: Client): Promise<void> {
  await pending(agentOf(handle, client, 'bank_b'), 'bank_b.move.prepare');
  await handle.cancel();
}

export const threePhase: Readonly<Record<string, TransferWay>> = {
  '3pc-transferred': plain,
  '3pc-refused': { ...plain, input: amounts(1_000_000) },
  '3pc-prepare-refused': { ...plain, fault: 'bank_c.move.prepare:refuse' },
  '3pc-commit-after-retries': { ...plain, fault: 'bank_b.move.commit:fail=2' },
  '3pc-cancelled': { ...slowly, then: cancelled },
  '3pc-deadline-exceeded': { ...slowly, call: { deadline: '2 seconds' } },
  '3pc-prepare-unknown': { ...plain, fault: 'bank_b.move.prepare:die-after-commit=10' },
  '3pc-agent-settled': {
    ...plain,
    fault: 'bank_b.move.commit:hang=1',
    then: (handle, client) => ended('bank_b.move.commit')(agentOf(handle, client, 'bank_b'), client),
  },
  '3pc-settled-and-split': { ...plain, fault: 'bank_b.move.prepare:hang', then: split },
};

/**
 * The agents whose histories are kept too: told to commit, told to abort before and after they had prepared, refused, silent, ended and
 * settled, committed and aborted by themselves.
 */
export const agents: readonly (readonly [way: string, participant: string])[] = [
  ['3pc-transferred', 'bank_a'],
  ['3pc-refused', 'bank_c'],
  ['3pc-prepare-refused', 'bank_a'],
  ['3pc-prepare-refused', 'bank_c'],
  ['3pc-cancelled', 'bank_a'],
  ['3pc-prepare-unknown', 'bank_b'],
  ['3pc-agent-settled', 'bank_b'],
  ['3pc-settled-and-split', 'bank_a'],
  ['3pc-settled-and-split', 'bank_c'],
];

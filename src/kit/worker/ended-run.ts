import type { Client } from '@temporalio/client';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { decodeTypedSearchAttributes } from '@temporalio/common/lib/converter/payload-search-attributes.js';
import { UNDOS } from '../database/guard/rows.js';
import { TX_STATE } from '../workflow/attributes.js';
import type { Branch, Op } from '../workflow/branch.js';
import { DECIDE_UPDATE, type DeskDecision, type DeskNote, type DeskOrder } from '../workflow/desk.js';

/** What the history of a run tells that was ended from outside. */
export interface EndedRun {
  /** What it was started with. */
  readonly args: readonly unknown[];
  /** What persons decided in it, in order. */
  readonly decisions: readonly DeskDecision[];
  /** Whether an undo was asked, and no person gave up the undo after that. It may have been a person's, of one step of what stands. */
  readonly undoing: boolean;
  /** Whether it had decided to undo all, by the last state that it showed besides that a person has to act. */
  readonly compensating: boolean;
  /** The branches that were asked to confirm or to commit, if any: it was decided that all of it stands. */
  readonly confirming: readonly string[];
  /** How it was ended, in one line, with who and why. */
  readonly how: string;
}

const CONFIRMS: readonly Op[] = ['confirm', 'commit'];
/** What a transaction does, or did; its other states say that it waits, or that it was left. */
const PHASES: readonly unknown[] = ['running', 'compensating', 'committed', 'compensated'];
const UNDOING: readonly unknown[] = ['compensating', 'compensated'];

/** Reads it, event by event. @throws Error when the history is gone; what the server says */
export async function readEndedRun(
  client: Client,
  { workflowId, runId, status }: { workflowId: string; runId: string; status: string },
): Promise<EndedRun> {
  const decode = (payloads: Parameters<typeof decodeArrayFromPayloads>[1]) =>
    decodeArrayFromPayloads(client.options.loadedDataConverter, payloads);
  const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  let args: unknown[] | undefined;
  let undoing = false;
  let phase: unknown;
  const confirming = new Set<string>();
  let how = status.toLowerCase().replace('_', ' ');
  const accepted = new Map<string, DeskOrder>();
  const decisions: DeskDecision[] = [];
  for (const event of events ?? []) {
    const started = event.workflowExecutionStartedEventAttributes;
    if (started != null) args = await decode(started.input?.payloads);
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (scheduled?.input?.payloads != null) {
      const [branch] = (await decode(scheduled.input.payloads)) as [Partial<Branch> | undefined];
      undoing ||= UNDOS.some((op) => op === branch?.op);
      if (branch?.branch !== undefined && CONFIRMS.some((op) => op === branch.op)) confirming.add(branch.branch);
    }
    const shown = event.upsertWorkflowSearchAttributesEventAttributes?.searchAttributes;
    const state = decodeTypedSearchAttributes(shown?.indexedFields).get(TX_STATE);
    if (PHASES.includes(state)) phase = state;
    const request = event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest;
    if (request?.input?.name === DECIDE_UPDATE) {
      const [order] = await decode(request.input.args?.payloads);
      accepted.set(request.meta?.updateId ?? '', order as DeskOrder);
    }
    const completed = event.workflowExecutionUpdateCompletedEventAttributes;
    const order = accepted.get(completed?.meta?.updateId ?? '');
    if (order !== undefined && completed?.outcome?.success != null) {
      const [note] = (await decode(completed.outcome.success.payloads)) as [DeskNote];
      const { input, result } = order;
      decisions.push({ ...note, ...('input' in order && { input }), ...('result' in order && { result }) });
      if (note.action === 'forward') undoing = false;
    }
    const terminated = event.workflowExecutionTerminatedEventAttributes;
    if (terminated?.identity) how += ` by ${terminated.identity}`;
    if (terminated?.reason) how += `: ${terminated.reason}`;
  }
  if (args === undefined) throw new Error(`the history of run ${runId} of ${workflowId} is gone: it cannot be settled`);
  return { args, decisions, undoing, compensating: UNDOING.includes(phase), confirming: [...confirming], how };
}

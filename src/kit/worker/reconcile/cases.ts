import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { stateOf } from '../../client/list.js';
import { quoted } from '../../client/server.js';
import { TX_SCHEME } from '../../workflow/attributes.js';
import type { DriftEnd } from '../../workflow/reconcile/desk-workflow.js';
import { findingId, RECONCILE_DESK, type Finding } from '../../workflow/reconcile/reconcile.js';
import { eachInTime, ofServer } from '../limited.js';
import { leftInLog, type DecidedIn } from './decided.js';

/** The cases of findings: who has them. */

/** A person has it; or has left it, for good. */
export type CaseState = 'at-desk' | 'left';

const PAGE = 500;
/** More are not remembered at a time: those beyond are met when they are looked for by their id. */
const MOST = 100_000;

/**
 * The cases of some classes that the server lists, by the ids of their findings. It is behind by a second or so: to know which of many
 * findings need nobody, not to open another case.
 */
export async function listedCases(client: Client, classes: readonly string[]): Promise<ReadonlyMap<string, CaseState>> {
  const found = new Map<string, { readonly startedAt: number; readonly state: CaseState | 'none' }>();
  const ids = classes.map((name) => `WorkflowId STARTS_WITH ${quoted(findingId({ class: name, key: '' }))}`);
  const query = `WorkflowType = '${RECONCILE_DESK}' AND ${TX_SCHEME.name} = 'reconcile' AND (${ids.join(' OR ')})`;
  for await (const info of eachInTime(client.workflow.list({ query, pageSize: PAGE }))) {
    if (found.size >= MOST) break;
    const startedAt = info.startTime.getTime();
    // The newest run counts.
    if ((found.get(info.workflowId)?.startedAt ?? -1) > startedAt) continue;
    const end = stateOf(info) === 'failed' ? 'left' : 'none';
    // One that was ended from outside is settled by the scan.
    found.set(info.workflowId, { startedAt, state: info.status.name === 'COMPLETED' ? end : 'at-desk' });
  }
  return new Map([...found].flatMap(([id, { state }]) => (state === 'none' ? [] : [[id, state] as const])));
}

/**
 * Where a finding is, for certain. One that was closed as gone and is found again has no case. What a person has left the log knows for longer
 * than the server does; `unread`: it cannot be asked now.
 */
export async function caseOf(
  finding: Pick<Finding, 'class' | 'key'>,
  { client, log }: Pick<DecidedIn, 'client' | 'log'>,
): Promise<CaseState | 'none' | 'unread'> {
  const handle = client.workflow.getHandle<() => Promise<DriftEnd>>(findingId(finding));
  try {
    const { status } = await ofServer(handle.describe());
    if (status.name !== 'COMPLETED') return 'at-desk';
    return (await ofServer(handle.result())) === 'left' ? 'left' : 'none';
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    const left = await leftInLog(log, findingId(finding));
    return left === 'unread' ? left : left ? 'left' : 'none';
  }
}

import { type Client, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client';
import { initialAttributes } from '../../workflow/attributes.js';
import type { DriftEnd } from '../../workflow/reconcile/desk-workflow.js';
import { findingId, RECONCILE_DESK, type Finding, type OpenedCases } from '../../workflow/reconcile/reconcile.js';
import { ofServer } from '../limited.js';

/** Where cases are opened. */
interface DeskPlace {
  readonly client: Client;
  readonly taskQueue: string;
}

/** What a person has to see to: what has no repair, or was not repaired. */
const FOR_PERSONS: readonly Finding['state'][] = ['told', 'not-repaired'];

/** Opens a case for each finding that needs a person and has none: at most so many. With 0 it only looks who has them. */
export async function openCases(findings: readonly Finding[], most: number, place: DeskPlace): Promise<OpenedCases> {
  let opened = 0;
  const told: Finding[] = [];
  for (const finding of findings) {
    if (!FOR_PERSONS.includes(finding.state)) {
      told.push(finding);
      continue;
    }
    const before = await caseOf(finding, place);
    if (before === 'none' && opened < most) {
      opened += await open(finding, place);
      told.push({ ...finding, state: 'at-desk' });
    } else told.push(before === 'none' ? finding : { ...finding, state: before });
  }
  return { findings: told, opened };
}

/** Where a finding is. One that was closed as gone and is found again has no case. */
async function caseOf(finding: Finding, { client }: DeskPlace): Promise<'none' | 'at-desk' | 'left'> {
  const handle = client.workflow.getHandle<() => Promise<DriftEnd>>(findingId(finding));
  try {
    const { status } = await ofServer(handle.describe());
    // One that was ended from outside is settled by the scan.
    if (status.name !== 'COMPLETED') return 'at-desk';
    return (await ofServer(handle.result())) === 'left' ? 'left' : 'none';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'none';
    throw error;
  }
}

async function open(finding: Finding, { client, taskQueue }: DeskPlace): Promise<0 | 1> {
  const { class: name, key } = finding;
  try {
    await ofServer(
      client.workflow.start(RECONCILE_DESK, {
        ...{ workflowId: findingId(finding), taskQueue, args: [{ finding }] },
        ...{ workflowIdReusePolicy: 'ALLOW_DUPLICATE', workflowIdConflictPolicy: 'FAIL' },
        staticSummary: `${name} of ${key}: waits for a person`,
        typedSearchAttributes: initialAttributes('reconcile'),
      }),
    );
    return 1;
  } catch (error) {
    // Another run was faster.
    if (error instanceof WorkflowExecutionAlreadyStartedError) return 0;
    throw error;
  }
}

import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { initialAttributes } from '../../workflow/attributes.js';
import {
  findingId,
  RECONCILE_DESK,
  type DriftCase,
  type Finding,
  type OpenedCases,
} from '../../workflow/reconcile/reconcile.js';
import { ofServer } from '../limited.js';
import { caseOf } from './cases.js';
import type { DecidedIn } from './decided.js';

/** Where cases are opened. */
interface DeskPlace extends Pick<DecidedIn, 'log'> {
  readonly client: Client;
  readonly taskQueue: string;
  /** As the run that has found them was asked. */
  readonly youngMs: number | undefined;
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
    const found = await caseOf(finding, place);
    // What the log would tell is not known: at worst a person leaves it twice.
    const before = found === 'unread' ? 'none' : found;
    if (before === 'none' && opened < most) {
      opened += await open(finding, place);
      told.push({ ...finding, state: 'at-desk' });
    } else told.push(before === 'none' ? finding : { ...finding, state: before });
  }
  return { findings: told, opened };
}

async function open(finding: Finding, { client, taskQueue, youngMs }: DeskPlace): Promise<0 | 1> {
  const { class: name, key } = finding;
  const order: DriftCase = { finding, ...(youngMs !== undefined && { youngMs }) };
  try {
    await ofServer(
      client.workflow.start(RECONCILE_DESK, {
        ...{ workflowId: findingId(finding), taskQueue, args: [order] },
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

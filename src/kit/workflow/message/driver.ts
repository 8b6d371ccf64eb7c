import { patched } from '@temporalio/workflow';
import type { Judgement } from '../saga/driver.js';
import { WorkflowDriver } from '../saga/workflow-driver.js';
import { judge } from '../calls.js';
import type { Hearing } from './body.js';

/** Drives a transactional message as a workflow: a saga whose words are about a producer. */
export class MessageDriver extends WorkflowDriver {
  readonly #hearing: Hearing;

  constructor(hearing: Hearing, ...of: ConstructorParameters<typeof WorkflowDriver>) {
    super(...of);
    this.#hearing = hearing;
  }

  override overdue(): string {
    return `nothing was heard of its producer by ${new Date(this.deadlineAt ?? this.now()).toISOString()}, and its database was asked`;
  }

  hasChange(change: string): boolean {
    return patched(change);
  }

  override judge = (error: unknown): Judgement => {
    const judgement = judge(error);
    const why = judgement.settled?.kind === 'barred' ? this.#hearing.whyBarred : undefined;
    return why === undefined ? judgement : { ...judgement, ...why };
  };
}

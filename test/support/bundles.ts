import { bundleWorkflowCode, DefaultLogger, type WorkflowBundleWithSourceMap } from '@temporalio/worker';

const bundles = new Map<string, Promise<WorkflowBundleWithSourceMap>>();

/** A module's workflows, bundled once in a process: it takes seconds, and many worlds have the same. */
export function bundleOf(workflowsPath: string): Promise<WorkflowBundleWithSourceMap> {
  const made = bundles.get(workflowsPath) ?? bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
  bundles.set(workflowsPath, made);
  return made;
}

import type { WorkerOptions } from '@temporalio/worker';

/** The version of a worker's code: Temporal's worker deployment versions. */
export interface Deployment {
  /** The deployment: all versions of one program. */
  readonly name: string;
  /** The version, such as a git revision. */
  readonly buildId: string;
}

/**
 * The options of a worker by which the server knows the version of its code.
 *
 * Machines live for weeks: each of their runs is *pinned*, so that it is never replayed by other code than its own, and the next run begins
 * with the current version (`machineWorkflow`). Everything else is short, or replays under newer code as it always had to (recorded
 * histories are replayed by the tests): it *auto-upgrades*, so that an old version is drained as soon as its machines have gone over.
 *
 * @param deployment absent: workers are not versioned, and there is nothing to be said
 */
export function deploymentOptions(
  deployment: Deployment | undefined,
): Pick<WorkerOptions, 'workerDeploymentOptions'> | undefined {
  if (deployment === undefined) return undefined;
  return {
    workerDeploymentOptions: {
      version: { deploymentName: deployment.name, buildId: deployment.buildId },
      useWorkerVersioning: true,
      defaultVersioningBehavior: 'AUTO_UPGRADE',
    },
  };
}

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
 * All workflows *auto-upgrade*: the next task of each goes to the current version, so that the workers of an old one can be stopped
 * at once, and not only when the longest life of an order is over, as with pinned ones. (A pinned workflow could go over when it continues as
 * new, but only with servers that are newer than those that this package is tested with, and an order that nothing happens to would keep its old
 * workers until then.) So the new code replays what the old one has recorded: the kit's own does, which its tests prove with recorded histories; a
 * machine's run keeps the table that it began with (`MachineTable.revision`).
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

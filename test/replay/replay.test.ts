import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DeterminismViolationError } from '@temporalio/workflow';
import { Worker } from '@temporalio/worker';
import { workflowsPath } from '../../src/worker.js';

const folder = fileURLToPath(new URL('histories', import.meta.url));

function histories(names: readonly string[]) {
  return names.map((name) => ({
    workflowId: `order-${name.replace(/\.json$/, '')}`,
    history: JSON.parse(readFileSync(`${folder}/${name}`, 'utf8')) as object,
  }));
}

describe('replay', function () {
  this.timeout(120_000);
  const recorded = readdirSync(folder).sort();

  it('of every recorded history ends as it was recorded: runs under way go on under this code', async () => {
    const replayed: string[] = [];
    for await (const { workflowId, error } of Worker.runReplayHistories({ workflowsPath }, histories(recorded))) {
      assert.equal(error, undefined, `${workflowId}: ${error?.message}`);
      replayed.push(workflowId);
    }
    assert.equal(replayed.length, recorded.length);
    assert.ok(recorded.length >= 15, 'there is a history for every path: npm run histories');
  });

  it('catches a change that runs under way would not survive', async () => {
    const incompatible = fileURLToPath(new URL('incompatible-workflows.ts', import.meta.url));
    const errors: unknown[] = [];
    const replays = Worker.runReplayHistories(
      { workflowsPath: incompatible },
      histories(['placed.json', 'lean-placed.json']),
    );
    for await (const { error } of replays) errors.push(error);
    assert.equal(errors.length, 2);
    for (const error of errors) assert.ok(error instanceof DeterminismViolationError, String(error));
  });
});

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import { listDesk, scanNow, showTransaction } from '../../../src/kit/client/index.js';
import type { AgentStatus, TransactionReport, TransactionView } from '../../../src/kit/workflow/index.js';
import { cases, ended, type Case } from './cases.js';
import type { Stage } from './stage.js';
import { parties, World, type Party } from './world.js';

/**
 * The table of docs/3pc.md is what happens here. With `BACKSTITCH_WRITE_DOCS=1` it is written anew; otherwise this fails where the
 * page says anything else.
 */
const PAGE = new URL('../../../docs/3pc.md', import.meta.url);
const MARKS = ['<!-- decisions: made by test/integration/three-phase -->', '<!-- end of decisions -->'] as const;

interface Row {
  readonly case: Case;
  readonly agents: Readonly<Record<Party, AgentStatus | undefined>>;
  readonly outcome: 'committed' | 'aborted' | TransactionView;
}

const names = ['A', 'B'] as const satisfies readonly Party[];
const nameOf = ({ who, when }: Case) => `${who} ${when}`.trim();

describe('a three-phase commit in which somebody falls silent', function () {
  // Some twenty cases, whose own times are seconds; on a busy machine they wait for each other.
  this.timeout(300_000);
  let world: World;
  const stages = new Map<Case, Stage>();
  const rows = new Map<Case, Row>();

  const stageOf = (each: Case): Stage => {
    const stage = stages.get(each);
    assert.ok(stage);
    return stage;
  };

  before(async () => {
    world = await World.open();
    // Workers first, which take the machine's time: then nobody is late who is not meant to be.
    for (const each of cases) stages.set(each, await world.stage(each));
    const decided: Promise<void>[] = [];
    for (const each of cases) {
      const stage = stageOf(each);
      await stage.start();
      const done = (each.until ?? ended('A', 'B'))(stage).then(() => stage.restore());
      decided.push(done);
      // One after the other up to here; what takes long is to wait for those who are silent.
      await Promise.race([stage.struck, done]);
    }
    await Promise.all(decided);
    const settled = Promise.all(
      cases.map(async (each) => {
        const stage = stageOf(each);
        const outcome = await stage.outcome();
        const agents = { A: await stage.ended('A'), B: await stage.ended('B') };
        rows.set(each, { case: each, agents, outcome });
      }),
    );
    // Whatever was ended from outside, or is gone, a scan finds: perhaps not the first, as the server's lists lag.
    while (rows.size < cases.length) {
      await scanNow(world.client, { taskQueue: world.queueOf('coordinator') });
      await Promise.race([settled, setTimeout(1_000)]);
    }
  });
  after(() => world.close());

  const of = (each: Case): Row & { stage: Stage } => {
    const row = rows.get(each);
    assert.ok(row);
    return { ...row, stage: stageOf(each) };
  };

  for (const each of cases) {
    it(`each bank has done what its agent decided, and the transaction is what they are: ${nameOf(each)}`, async () => {
      const { stage, agents, outcome } = of(each);
      const committed = names.filter((party) => agents[party]?.state === 'committed');
      for (const party of names) {
        assert.equal(await stage.moved(party), committed.includes(party), `${party} moved the money`);
        assert.equal(await stage.prepared(party), 0, `${party} has nothing prepared`);
      }
      if (committed.length === names.length) assert.equal(outcome, 'committed');
      else if (committed.length === 0) assert.equal(outcome, 'aborted');
      else await assertSplit(each, committed);
    });
  }

  /** A split is at the desk, with who decided what, and an alarm has gone out; a person puts it right. */
  async function assertSplit(each: Case, committed: readonly Party[]): Promise<void> {
    const { stage, outcome: view } = of(each);
    assert.ok(typeof view !== 'string', `it is ${JSON.stringify(view)}`);
    const branches = committed.map((party) => parties[party]);
    assert.deepEqual(
      view.desk.map(({ branch, op, failure, fits }) => [branch, op, failure.type, fits]),
      branches.map((branch) => [branch, 'rollback', 'Split', ['resolve', 'skip']]),
    );
    const message = view.desk[0]?.failure.message ?? '';
    for (const party of names) {
      const state = committed.includes(party) ? 'committed' : 'aborted';
      assert.match(message, new RegExp(`${parties[party]} ${state} `));
    }
    const alarm = world.alarms.find(({ gid, kind }) => gid === stage.gid && kind === 'stuck');
    assert.match(alarm?.message ?? '', /Split: the participants decided differently/);
    await untilListed(stage.gid);
    const shown = await showTransaction(world.client, stage.deskId);
    assert.deepEqual(
      shown.branches.map(({ branch, then }) => [branch, then?.op, then?.state]),
      names.map((party) => [parties[party], 'rollback', committed.includes(party) ? 'parked' : 'done']),
    );

    const failure = await stage.resolve(branches[0] ?? '');
    const { cause } = failure;
    assert.ok(cause instanceof ApplicationFailure, String(failure));
    assert.equal(cause.type, 'TransactionCompensated');
    const report = cause.details?.[0] as TransactionReport;
    assert.deepEqual([report.state, report.notUndone], ['compensated', []]);
  }

  /** The server's list follows with a delay. */
  async function untilListed(wanted: string): Promise<void> {
    for (;;) {
      for await (const { gid } of listDesk(world.client)) if (gid.startsWith(wanted)) return;
      await setTimeout(100);
    }
  }

  it('is shown in docs/3pc.md as it is', () => {
    const page = readFileSync(PAGE, 'utf8');
    const [start, end] = MARKS.map((mark) => page.indexOf(mark));
    assert.ok(start !== undefined && end !== undefined && start >= 0 && end > start, 'the page has the marks');
    const wanted = `${MARKS[0]}\n\n${tableOf(cases.map((each) => of(each)))}\n\n`;
    if (process.env.BACKSTITCH_WRITE_DOCS === '1') {
      writeFileSync(PAGE, page.slice(0, start) + wanted + page.slice(end));
      return;
    }
    assert.equal(page.slice(start, end), wanted, 'run it with BACKSTITCH_WRITE_DOCS=1 to write the table anew');
  });
});

const BY = {
  coordinator: 'as told',
  timer: '**by itself**',
  earlier: 'as it had begun to',
  participant: 'as it refused',
  person: 'as a person said',
  nobody: '',
} as const;

function decisionOf(status: AgentStatus | undefined): string {
  if (status === undefined) return 'never hears of it';
  return `${status.state === 'committed' ? 'commits' : 'aborts'} ${BY[status.by ?? 'nobody']}`.trim();
}

const FOUND = {
  settled: 'the scan settles it',
  agents: 'the scan has the agents compared',
  itself: 'the coordinator compares, once it hears',
} as const;

function tableOf(found: readonly Row[]): string {
  const lines = found.map(({ case: { who, when, found: how }, agents, outcome }) => {
    const isSplit = typeof outcome !== 'string';
    const finds = isSplit ? FOUND[how ?? 'itself'] : '';
    return [who, when, decisionOf(agents.A), decisionOf(agents.B), isSplit ? '**split: at the desk**' : outcome, finds];
  });
  const all = [['who', 'when', 'A', 'B', 'the transaction', 'found'], ...lines];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0))) ?? [];
  const text = all.map((line) => `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`);
  text.splice(1, 0, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`);
  return text.join('\n');
}

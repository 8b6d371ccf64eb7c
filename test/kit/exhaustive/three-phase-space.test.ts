import assert from 'node:assert/strict';
import { explore, type Allowed, type Outcome } from './three-phase-space.js';

const committed = ({ held }: Outcome) => held.flatMap((each, place) => (each === 'committed' ? [`${place}`] : []));
const isSplit = (outcome: Outcome) => ![0, outcome.held.length].includes(committed(outcome).length);

/** What holds however it went: every party has come to its end, and what is said is what happened. */
function assertTold(outcome: Outcome): void {
  const { held, ended, state, cases, trace } = outcome;
  const how = trace.join('; ');
  assert.ok(!held.includes('prepared'), `something stays prepared: ${how}`);
  for (const [place, status] of ended.entries()) {
    assert.equal(
      status?.state === 'committed',
      held[place] === 'committed',
      `${place} does not say what it did: ${how}`,
    );
  }
  const have = committed(outcome);
  const wanted = have.length === 0 ? 'compensated' : have.length === held.length ? 'committed' : 'stuck';
  assert.equal(state, wanted, how);
  assert.deepEqual(cases, isSplit(outcome) ? have : [], how);
}

/** Explores it all. @returns how often it ended committed, aborted and split, and from how many states */
async function all(allowed: Allowed, look: (outcome: Outcome) => void = () => undefined) {
  const found = { committed: 0, aborted: 0, split: 0 };
  const states = await explore(allowed, (outcome) => {
    assertTold(outcome);
    look(outcome);
    found[isSplit(outcome) ? 'split' : committed(outcome).length > 0 ? 'committed' : 'aborted']++;
  });
  assert.ok(found.committed > 0 && found.aborted > 0, 'it is explored at all');
  if (process.env.SPACE_SIZE) console.log(JSON.stringify(allowed), found, states);
  return found;
}

describe('every order of everything in a three-phase commit', function () {
  this.timeout(120_000);

  for (const participants of [2, 3]) {
    describe(`of ${participants} participants`, () => {
      it('in which all is heard and the coordinator lives splits nobody, though any may refuse', async () => {
        const { split } = await all({ participants });
        assert.equal(split, 0);
      });

      it('in which the run of an agent is ended, and settled, splits nobody', async () => {
        const { split } = await all({ participants, agentEnds: true });
        assert.equal(split, 0);
      });

      it('in which the coordinator stops splits them only between the first preCommit and the last; and is told', async () => {
        const { split } = await all({ participants, coordinatorStops: true }, (outcome) => {
          if (!isSplit(outcome)) return;
          const { atStop, trace } = outcome;
          const all = atStop?.agents.every((state) => state === 'prepared' || state === 'committed');
          assert.ok(
            atStop?.hasSaidPreCommit === true && all === false,
            `${atStop?.agents.join()}: ${trace.join('; ')}`,
          );
        });
        assert.ok(split > 0, 'the flaw is there');
      });
    });
  }

  it('in which messages are lost or late, and timers ring at any time, may split them, and that is always told', async () => {
    let late = 0;
    const { split } = await all({ participants: 2, partition: 'late' }, ({ trace, held, ended }) => {
      // It had decided to commit, and was told to abort before it had.
      const rang = trace.indexOf('the timer of 0 rings');
      const told = trace.indexOf('abort 0', rang);
      const wasPrepared = rang >= 0 && trace.slice(0, rang).includes('prepare 0');
      if (!wasPrepared || told < 0 || trace.slice(0, told).includes('commit 0')) return;
      assert.equal(ended[0]?.state === 'aborted', held[0] === 'rolled back');
      if (held[0] === 'rolled back') late++;
    });
    assert.ok(split > 0, 'the flaw is there');
    assert.ok(late > 0, 'an abort counts until it has committed');
  });

  it('in which the coordinator stops too is always told', async () => {
    const { split } = await all({ participants: 2, partition: 'lost', coordinatorStops: true });
    assert.ok(split > 0);
  });
});

import assert from 'node:assert/strict';
import { Looks, type Place } from '../../../src/kit/workflow/early-look.js';
import { TOO_EARLY } from '../../../src/kit/workflow/view.js';

type Commands = Parameters<Looks['did']>[0];
const REFUSED: Commands = [{ updateResponse: { rejected: {} } }];
const SOMETHING: Commands = [{ cancelTimer: { seq: 1 } }];

/** `events@task`: each task has a time and a size of its own. */
function at(text: string): Place {
  const [events = 0, task = 0] = text.split('@').map(Number);
  return { events, now: 1_000 * task, bytes: 100 * task };
}

describe("a run's copy in a worker's memory", () => {
  it('goes on from task to task, and is told several times in one', () => {
    const looks = new Looks(at('3@1'));
    for (const place of ['3@1', '9@2', '9@2', '12@3', '40@4', '40@4']) assert.equal(looks.told(at(place)), undefined);
  });

  it('goes on when a local activity has ended: that takes the time on, and tells of no events', () => {
    const looks = new Looks(at('3@1'));
    assert.equal(looks.told({ ...at('3@1'), now: 1_500 }), undefined);
    assert.equal(looks.told({ ...at('3@1'), now: 1_600 }), undefined);
    assert.equal(looks.told(at('6@2')), undefined);
  });

  it('is refused at once when it is told of later events without a task, and again', () => {
    const looks = new Looks(at('3@1'));
    assert.equal(looks.told(at('9@2')), undefined);
    assert.ok(looks.told(at('13@2'))?.startsWith(TOO_EARLY));
    assert.ok(looks.told(at('14@2'))?.startsWith(TOO_EARLY));
  });

  it('is refused when its task comes, if what was due seemed to belong to a task that was lost', () => {
    // 9: a task. 10 to 13: it did something, which has ended. 14, 15: a task that was lost; 16: its end; 17, 18: the next one.
    for (const seen of ['16@3', '17@3']) {
      const looks = new Looks(at('3@1'));
      for (const place of ['9@2', seen]) assert.equal(looks.told(at(place)), undefined);
      looks.did(SOMETHING);
      assert.match(looks.told(at('18@4')) ?? '', /its history is replayed/);
    }
    const looks = new Looks(at('3@1'));
    for (const place of ['9@2', '18@4']) assert.equal(looks.told(at(place)), undefined, 'replayed as it should be');
  });

  it('is refused when what it has done is no event, as the task that it seemed to belong to was lost', () => {
    const shown: Commands = [{ upsertWorkflowSearchAttributes: {} }];
    const accepted: Commands = [{ updateResponse: { accepted: {} } }, ...REFUSED];
    const began: Commands = [{ cancelTimer: { seq: 1 } }, { scheduleActivity: { seq: 7 } }];
    const looked: Commands = [{ respondToQuery: {} }];
    // 10, 11: its end, and what it did; 12, 13: the next one. Of one that was lost: its end, and the next one.
    for (const [next, isRefused] of [
      ['13@3', false],
      ['12@3', true],
    ] as const)
      for (const done of [
        shown,
        accepted,
        began,
        [{ startTimer: { seq: 2 } }],
        [{ startChildWorkflowExecution: { seq: 3 } }],
      ]) {
        const looks = new Looks(at('3@1'));
        assert.equal(looks.told(at('9@2')), undefined);
        looks.did(done);
        assert.equal(looks.told(at('9@2')), undefined, 'it goes on in the same task');
        looks.did(SOMETHING);
        looks.did(looked);
        assert.equal(looks.told(at(next)) !== undefined, isRefused, JSON.stringify(done));
      }
  });

  it('is looked at when its task was one that the server forgets, and goes on', () => {
    const looks = new Looks(at('3@1'));
    assert.equal(looks.told(at('9@2')), undefined);
    looks.did(REFUSED);
    assert.equal(looks.told(at('9@2')), undefined);
    looks.did([{ respondToQuery: {} }]);
    assert.equal(looks.told(at('10@3')), undefined);
    looks.did(SOMETHING);
    assert.match(looks.told(at('12@4')) ?? '', /its history is replayed/);
  });

  it('counts nothing of a task for the next one, though both began at the same size', () => {
    const accepted: Commands = [{ updateResponse: { accepted: {} } }];
    // 10: a task that the server could have forgotten; 11, 12: its end, and what it did; 14 to 16: a signal, and the next one, which did nothing that stays.
    for (const [done, next] of [
      [[], 19],
      [REFUSED, 19],
    ] as const) {
      const looks = new Looks(at('3@1'));
      assert.equal(looks.told({ ...at('10@2') }), undefined);
      looks.did(accepted);
      assert.equal(looks.told({ ...at('16@2'), now: 2_500 }), undefined);
      looks.did([...done]);
      assert.equal(looks.told(at(`${next}@3`)), undefined);
    }
  });

  it('counts what it has done for each task by itself, and not what it has cancelled at once', () => {
    const cancelled: Commands = [
      ...[{ scheduleActivity: { seq: 7 } }, { startTimer: { seq: 2 } }, { startChildWorkflowExecution: { seq: 3 } }],
      ...[{ requestCancelActivity: { seq: 7 } }, { cancelTimer: { seq: 2 } }],
      { cancelChildWorkflowExecution: { childWorkflowSeq: 3 } },
    ];
    const looks = new Looks(at('3@1'));
    looks.did([{ upsertWorkflowSearchAttributes: {} }]);
    assert.equal(looks.told(at('7@2')), undefined);
    looks.did(cancelled);
    assert.equal(looks.told(at('10@3')), undefined);
  });

  it('may have seen more events than there are, if the server forgot its last task, which refused updates only', () => {
    for (const next of ['9@3', '10@3', '11@3']) {
      const looks = new Looks(at('6@1'));
      assert.equal(looks.told(at('9@2')), undefined);
      looks.did(REFUSED);
      assert.equal(looks.told(at(next)), undefined);
      looks.did(SOMETHING);
      const more = Number(next.split('@')[0]) + 1;
      assert.notEqual(looks.told(at(`${more}@4`)), undefined, 'it is forgotten once');
    }
  });

  it('is believed where the server does not tell the size of the history', () => {
    const looks = new Looks({ events: 3, bytes: 0, now: 5 });
    assert.equal(looks.told({ events: 9, bytes: 0, now: 5 }), undefined);
    assert.equal(looks.told({ events: 10, bytes: 0, now: 6 }), undefined);
  });
});

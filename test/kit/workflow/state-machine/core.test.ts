import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MachineError, stateMachine } from '../../../../src/kit/workflow/index.js';
import { MachineCore } from '../../../../src/kit/workflow/state-machine/core.js';
import { machineFailure } from '../../../../src/kit/workflow/state-machine/protocol.js';
import { parcel } from './parcel.js';

const RUNS = Number(process.env.BACKSTITCH_RUNS ?? 1_000);
const HOUR = 3_600_000;

const newCore = (most = 100) => {
  const core = new MachineCore(parcel, { id: 'p-1', data: { of: 'p-1' }, most });
  core.resync({ state: 'OPEN', version: 0, since: 1, moves: [] }, 1);
  return core;
};

/** What a driver does with an event whose row moves at once. */
function send(core: MachineCore, order: Parameters<MachineCore['ask']>[0], at: number) {
  const asked = core.ask(order);
  if (asked.kind !== 'go') return asked;
  const move = core.order(asked, order, at);
  return { kind: 'moved', answer: core.moved(move, move.version + 1) } as const;
}

describe('the table of a state machine', () => {
  const base = { name: 'lamp', initial: 'OFF', states: ['OFF', 'ON', 'BROKEN'], final: ['BROKEN'] };
  const on = { from: 'OFF', to: 'ON' };
  const off = { from: 'ON', to: 'OFF' };
  const smash = { from: 'ON', to: 'BROKEN' };
  /** Without the types: as of a table that was read, or made by a program. */
  const make = (given: object) => stateMachine({ ...base, ...given } as never);

  it('is refused where it breaks a rule, in one line that says which', () => {
    const wrong: [object, RegExp][] = [
      [
        { transitions: { on, smash, mend: { from: 'BROKEN', to: 'OFF' } } },
        /'mend' leads out of 'BROKEN', which is final/,
      ],
      [
        { transitions: { on, smash, dim: { from: 'ON', to: 'DIM' } } },
        /'dim' names the state 'DIM', which is not declared/,
      ],
      [
        { transitions: { on: [on, { from: ['OFF'], to: 'BROKEN' }], smash } },
        /'on' leads out of 'OFF' twice: to 'ON' and to 'BROKEN'/,
      ],
      [{ transitions: { on: [on, { from: 'OFF.*', to: 'BROKEN' }], smash } }, /'on' leads out of 'OFF' twice/],
      [{ transitions: { on, off } }, /no transition leads to 'BROKEN'/],
      [{ transitions: { on, smash: { from: 'OFF', to: 'BROKEN' } } }, /nothing leads out of 'ON', and it is not final/],
      [{ initial: 'BROKEN', transitions: { on, smash } }, /begins in 'BROKEN', which is final/],
      [
        { transitions: { on, smash }, deadlines: { dark: { during: 'OFF', after: 1, fires: 'smash' } } },
        /'smash', which is illegal in 'OFF'/,
      ],
      [
        { transitions: { on, smash }, deadlines: { dark: { during: 'OFF', after: 0, alarm: 'dark' } } },
        /later than at once/,
      ],
      [
        { transitions: { on, smash }, deadlines: { on: { during: 'OFF', after: 1, alarm: 'dark' } } },
        /name of an event/,
      ],
      [{ transitions: { on, smash }, entry: { BROKEN: { saga: 'mend' } } }, /begins something in a final state/],
      [{ states: ['OFF', 'ON', 'ON', 'BROKEN'], transitions: { on, smash } }, /'ON' is declared twice/],
    ];
    for (const [given, why] of wrong) {
      assert.throws(
        () => make(given),
        (error) => error instanceof MachineError && why.test(error.message) && !error.message.includes('\n'),
        String(why),
      );
    }
    make({ transitions: { on, off, smash } });
  });

  it('is drawn with its sub-states, events and deadlines', () => {
    const drawn = parcel.mermaid();
    assert.equal(drawn, parcel.mermaid());
    for (const line of [
      'stateDiagram-v2',
      '  [*] --> OPEN',
      '  state PAID {',
      '    state "PICK" as PAID_PICK',
      '  OPEN --> PAID_none : pay*',
      '  PAID_PICK --> PAID_PACK : pack',
      '  CANCELLED --> [*]',
      '  note right of OPEN : unpaid after 30 minutes fires cancel',
      '  note right of PAID_none : unpicked after 1 hour runs side.remind up to 2 times',
      '  note right of BACK : on entry returnParcel',
    ]) {
      assert.ok(drawn.split('\n').includes(line), `${line} is missing in\n${drawn}`);
    }
  });
});

describe('what a state machine is and remembers', () => {
  it('answers a request again, refuses another event under its id, and a repeated command is no second event', () => {
    const core = newCore();
    const first = send(core, { event: 'pay', requestId: 'r-1' }, HOUR);
    assert.deepEqual(send(core, { event: 'pay', requestId: 'r-1' }, 2 * HOUR), {
      kind: 'answered',
      answer: first.kind === 'moved' && first.answer,
    });
    const other = core.ask({ event: 'pick', requestId: 'r-1' });
    assert.ok(other.kind === 'refused' && other.type === machineFailure.other, JSON.stringify(other));
    const again = core.ask({ event: 'pay' });
    assert.ok(again.kind === 'answered' && again.answer.requestId === 'r-1');
    // It is legal again: a new one.
    const round = ['pick', 'pack', 'pick'].map((event) => send(core, { event }, HOUR));
    assert.deepEqual(
      round.map((each) => (each.kind === 'moved' ? each.answer.requestId : each.kind)),
      ['pick.1', 'pack.2', 'pick.3'],
    );
    const illegal = core.ask({ event: 'pay' });
    assert.ok(illegal.kind === 'refused' && illegal.type === machineFailure.illegal);
    assert.match(illegal.message, /^p-1: 'pay' is illegal in PAID\.PICK; legal are: cancel, pack$/);
    assert.deepEqual(illegal.refusal, { state: 'PAID.PICK', legal: ['cancel', 'pack'] });
  });

  it('begins nothing anew by a repeated command whose saga stands, though it has moved nothing', () => {
    const core = newCore();
    const cameTo = (requestId: string, type: string) => {
      const { state, legal } = core;
      core.failed({ event: 'pay', requestId, version: 0, type, message: 'm', refusal: { state, legal } });
    };
    const next = () => {
      const asked = core.ask({ event: 'pay' });
      return asked.kind === 'go' ? asked.requestId : asked.kind === 'refused' && asked.type;
    };
    assert.equal(next(), 'pay.0');
    cameTo('pay.0', machineFailure.undone);
    assert.equal(next(), 'pay.0.1', 'what was undone may be tried again');
    cameTo('pay.0.1', machineFailure.unmoved);
    assert.equal(next(), machineFailure.unmoved);
    const asked = core.ask({ event: 'pay', requestId: 'by-hand' });
    assert.equal(asked.kind, 'go', 'whoever wants it done again says so');
  });

  it('believes the moves of its row, and no saga of the run before that has moved nothing', () => {
    const core = new MachineCore(parcel, { id: 'p-1', data: {}, most: 100 });
    const others = { event: 'cancel', requestId: 'c-1', from: 'OPEN', to: 'CANCELLED', version: 1, at: 2 };
    core.resync({ state: 'CANCELLED', version: 1, since: 2, moves: [others] }, 3);
    const move = { id: 'p-1', event: 'pay', requestId: 'p-1', from: 'OPEN', to: 'PAID', version: 0, at: 1 };
    core.restore({ ends: [{ move, result: 'paid' }], refused: [], moved: [] });
    const asked = core.ask({ event: 'pay', requestId: 'p-1' });
    assert.ok(asked.kind === 'refused' && asked.type === machineFailure.unmoved, JSON.stringify(asked));
    assert.equal(core.kept.answers.length, 1);
  });

  it('keeps a deadline while it moves within, and begins none anew', () => {
    const core = newCore();
    assert.deepEqual(core.deadlines.view(), [{ name: 'unpaid', at: HOUR / 2 + 1, then: 'fires cancel', rounds: 0 }]);
    send(core, { event: 'pay' }, 1_000);
    send(core, { event: 'pick' }, 2 * HOUR);
    send(core, { event: 'pack' }, 3 * HOUR);
    assert.deepEqual(
      core.deadlines.view().map(({ name, at }) => [name, at]),
      [['unsent', 10 * HOUR]],
    );
    const order = { name: 'unsent', byMs: HOUR, actor: 'ann', reason: 'a strike' };
    assert.match(
      core.deadlines.wrong({ ...order, name: 'unpaid' }, 4 * HOUR) ?? '',
      /does not run now; those that do: unsent/,
    );
    assert.match(core.deadlines.wrong({ ...order, byMs: undefined }, 0) ?? '', /give its new time/);
    assert.match(core.deadlines.wrong({ ...order, reason: '' }, 0) ?? '', /who moves a deadline, and why/);
    core.deadlines.move(order, 4 * HOUR);
    // As a next run has it.
    const next = new MachineCore(
      parcel,
      { id: 'p-1', data: { of: 'p-1' }, most: 100 },
      JSON.parse(JSON.stringify(core.kept)) as typeof core.kept,
    );
    assert.equal(next.deadlines.wakeAt, 11 * HOUR);
    assert.equal(next.deadlines.take(11 * HOUR - 1), undefined);
    assert.equal(next.deadlines.take(11 * HOUR)?.rule.alarm, 'parcel-late');
    assert.equal(next.deadlines.take(12 * HOUR), undefined);
  });

  it('has a deadline moved again only where it is the same one', () => {
    const core = newCore();
    const around = ['pay', 'pick', 'pack', 'pick', 'pack'];
    for (const [at, event] of around.entries()) send(core, { event }, at * HOUR);
    const order = { name: 'unsent', byMs: HOUR, actor: 'ann', reason: 'a strike', requestId: 'd-1' };
    const note = core.deadlines.move(order, 5 * HOUR);
    assert.deepEqual([note.version, note.to], [2, 10 * HOUR]);
    assert.equal(core.deadlines.move(order, 6 * HOUR), note);
    assert.match(core.deadlines.wrong({ ...order, name: 'kept' }, 0) ?? '', /needs an id of its own/);
    const restored = (moves: Parameters<MachineCore['resync']>[0]['moves'], given: typeof note) => {
      const next = newCore();
      next.resync({ state: 'PAID.PACK', version: 5, since: 4 * HOUR, moves }, 7 * HOUR);
      next.restore({ ends: [], refused: [], moved: [given] });
      return next.deadlines.wakeAt;
    };
    const moves = core.kept.answers;
    assert.equal(restored(moves, note), 10 * HOUR);
    // Of an earlier term; and where no moves are kept: as long as it was in the state that it is in.
    assert.equal(restored(moves, { ...note, version: 1, at: HOUR }), 9 * HOUR);
    assert.equal(restored([], note), 10 * HOUR);
    assert.equal(restored([], { ...note, at: 3 * HOUR }), 12 * HOUR);
  });

  it('begins the deadlines that a newer table has, from when it came to where they run', () => {
    const old = newCore();
    for (const [at, event] of ['pay', 'pick', 'pack'].entries()) send(old, { event }, at * HOUR);
    const { deadlines, ...rest } = old.kept;
    const without = { ...deadlines, running: deadlines.running.filter(({ name }) => name !== 'unsent') };
    const next = new MachineCore(parcel, { id: 'p-1', data: { of: 'p-1' }, most: 10 }, { ...rest, deadlines: without });
    assert.equal(next.deadlines.wakeAt, undefined);
    next.adopt();
    assert.deepEqual(next.deadlines.kept.running, old.deadlines.kept.running);
    const lost = new MachineCore(parcel, { id: 'p-1', data: { of: 'p-1' }, most: 10 }, { ...old.kept, state: 'LOST' });
    assert.throws(() => {
      lost.adopt();
    }, /p-1 is in LOST, which is no state of 'parcel' in this release/);
  });

  it('takes over what somebody else has made of the row, with the deadlines as they began', () => {
    const core = newCore();
    const move = (event: string, from: string, to: string, version: number) => ({
      event,
      requestId: `${event}-x`,
      from,
      to,
      version,
      at: version * HOUR,
    });
    const moves = [
      move('pay', 'OPEN', 'PAID', 1),
      move('pick', 'PAID', 'PAID.PICK', 2),
      move('pack', 'PAID.PICK', 'PAID.PACK', 3),
    ];
    assert.equal(core.resync({ state: 'PAID.PACK', version: 3, since: 3 * HOUR, moves }, 5 * HOUR), true);
    assert.equal(core.deadlines.wakeAt, 10 * HOUR);
    const known = core.ask({ event: 'pick', requestId: 'pick-x' });
    assert.ok(known.kind === 'answered' && known.answer.version === 2);
    assert.equal(core.resync({ state: 'PAID.PACK', version: 3, since: 3 * HOUR, moves }, 6 * HOUR), false);
  });

  it('is always where its table says, whatever comes, and what is refused changes nothing', () => {
    const events = fc.record({
      event: fc.constantFrom(...parcel.events, 'nothing'),
      requestId: fc.option(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', ' '), { nil: undefined }),
      grams: fc.nat(1),
      hours: fc.nat(3),
      /** What somebody else does to the row meanwhile. */
      elsewhere: fc.oneof(
        { arbitrary: fc.constant(undefined), weight: 20 },
        { arbitrary: fc.constantFrom(...parcel.states), weight: 1 },
      ),
      again: fc.boolean(),
    });
    let moved = 0;
    fc.assert(
      fc.property(fc.array(events, { maxLength: 40 }), (orders) => {
        let core = newCore(10);
        let now = 1;
        const answers = new Map<string, string>();
        for (const { event, requestId, grams, hours, elsewhere, again } of orders) {
          now += hours * HOUR;
          if (again)
            core = new MachineCore(
              parcel,
              { id: 'p-1', data: { of: 'p-1' }, most: 10 },
              JSON.parse(JSON.stringify(core.kept)) as typeof core.kept,
            );
          if (elsewhere !== undefined) core.resync({ state: elsewhere, version: core.version + 1, moves: [] }, now);
          const before = JSON.stringify(core.kept);
          const was = core.state;
          const done = send(core, { event, requestId, input: { grams } }, now);
          if (done.kind === 'moved') {
            moved++;
            assert.equal(parcel.move(event, was)?.to, core.state);
            assert.deepEqual([done.answer.from, done.answer.to], [was, core.state]);
            answers.set(done.answer.requestId, JSON.stringify(done.answer));
          } else {
            assert.equal(JSON.stringify(core.kept), before);
            if (done.kind === 'answered') assert.equal(JSON.stringify(done.answer), answers.get(done.answer.requestId));
          }
          assert.ok((parcel.states as readonly string[]).includes(core.state));
          for (const { name, at } of core.deadlines.view()) {
            const rule = parcel.deadlines.find((each) => each.name === name);
            assert.ok(rule?.during.has(core.state) === true && at <= now + rule.afterMs);
          }
          for (const rule of parcel.deadlines) {
            const runs = core.deadlines.kept.running.some(({ name }) => name === rule.name);
            assert.equal(runs, rule.during.has(core.state), `${rule.name} in ${core.state}`);
          }
        }
      }),
      { numRuns: RUNS },
    );
    assert.ok(moved > RUNS / 3, `${moved} moves`);
  });
});

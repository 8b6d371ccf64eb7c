import assert from 'node:assert/strict';
import { explore, type Explored } from './explore.js';
import { GUARDS, type Guard } from './guards.js';
import { protocol, type Instance } from './protocol.js';

const alone: Instance = { steps: 3, callers: ['D1'] };
const ordinary: Instance = { ...alone, ordinary: 'same input' };
const two: Instance = { steps: 2, callers: ['D1', 'D2'] };
const otherWay: Instance = { ...two, goesOnAfter: 0 };

/** Everything that is explored with all rules in force. */
const INSTANCES: Readonly<Record<string, Instance>> = {
  'two callers and an ordinary workflow, three steps': { ...ordinary, callers: ['D1', 'D2'] },
  'a caller and an ordinary workflow with another input': { ...ordinary, ordinary: 'other input' },
  'a caller and an ordinary workflow with another first step': { ...ordinary, ordinary: 'other first step' },
  'a caller and workflows that are refused at once': { ...ordinary, ordinary: 'refused' },
  'a caller and workflows that end before their first step': { ...ordinary, ordinary: 'ended' },
  'two callers; after its first step was rejected the body goes on in another database': otherWay,
  'the same, in the same database': { ...otherWay, databaseOf: [0, 0] },
  'a caller, an ordinary workflow, and such a body': { ...ordinary, goesOnAfter: 0 },
  'the same, in one database': { ...ordinary, goesOnAfter: 0, databaseOf: [0, 0, 0] },
};

/** What a rule that is left out breaks, with decisions (I4) not watched: what they are good for is to be seen. */
interface Needed {
  readonly breaks: string;
  readonly in: Instance;
}

/** A second net: left out alone it breaks nothing. */
interface Net {
  readonly harmless: string;
  readonly in?: Instance;
  /** What it is the second net to: without both something breaks. */
  readonly without?: Guard;
  readonly breaks?: string;
}

const undoneNotAll = 'I1: it is undone, and not every step is';
const committedNotAll = 'I1: it is committed, and not every step is';
const needed = (breaks: string, instance = ordinary): Needed => ({ breaks, in: instance });

const RULES: Readonly<Record<Guard, Needed | Net>> = {
  'first step: announced in its transaction': needed('I1: steps have effects, and nobody ends that'),
  'first step: nothing on an existing guard key': needed(undoneNotAll),
  'first step: nothing on an existing announcement': {
    harmless:
      'the guard key is there too, or the workflow has the announcement: the caller drives along, and decides nothing',
    in: { ...two, ordinary: 'same input' },
  },
  'owner: fresh for each call': { harmless: 'the guard key lets only one call own anything', in: two },
  'rejection: stored': needed(undoneNotAll),
  'rejection: what is stored before it counts': needed(undoneNotAll),
  'action: refused by a bar': needed(undoneNotAll),
  'action: refused after its undo': {
    harmless: 'its row is there, so the work is not done again; and who asks is not the owner any more',
  },
  'undo: bars': needed(undoneNotAll),
  'undo: once': needed('I3: step 0 is undone, and had no effect to undo'),
  'look: bars': needed(undoneNotAll),
  'commit: owner = me': needed(committedNotAll),
  'commit: state = running': {
    harmless: 'a caller that decided to undo does not commit',
    without: 'unknown commit: no other decision',
    breaks: committedNotAll,
  },
  'commit: only if the row went': needed(committedNotAll),
  'commit: the fate with the delete': needed('I1: steps have effects, and nobody ends that'),
  'undoing: owner = me': needed(committedNotAll),
  'undoing: state = running': { harmless: 'a caller decides once' },
  'end of the undo: owner = me': {
    harmless: 'what is undone stays so: whoever ends that, the workflow too, says the same',
  },
  'end of the undo: state = undoing': { harmless: 'a caller sends it after its decision only' },
  'hand over: owner = me': { harmless: 'it is a take-over, and anybody may take over at any time' },
  'unknown: no decision': needed(undoneNotAll),
  'unknown commit: no other decision': {
    harmless: 'the late commit finds the state undoing',
    without: 'commit: state = running',
    breaks: committedNotAll,
  },
  'unknown first step: the workflow is started': needed('I2: a caller waits for ever'),
  'relay: takes over what has no driver': needed('I1: an announcement is left'),
  'relay: owner = the owner seen': { harmless: 'the workflow adopts, and that looks for itself' },
  'relay: writes the fate where the workflow could not': needed('I1: an announcement is left'),
  'relay: starts anew where the workflow ended and decided nothing': needed(undoneNotAll, {
    ...ordinary,
    ordinary: 'refused',
  }),
  'relay: only the end of the run that adopted is the end': needed(undoneNotAll, { ...ordinary, ordinary: 'ended' }),
  'workflow: one run of a gid': needed(undoneNotAll),
  'adopt: looks for a fate': {
    harmless: 'the workflow finds it at its first step',
    in: alone,
    without: 'workflow: obeys a fate that it meets',
    breaks: committedNotAll,
  },
  'adopt: looks for a fate in a new statement': {
    harmless: 'the workflow finds it at its first step',
    in: alone,
    without: 'workflow: obeys a fate that it meets',
    breaks: committedNotAll,
  },
  'adopt: fences a first step that comes later': needed('I1: the fate is not kept'),
  'adopt: takes the announcement': needed(undoneNotAll),
  'adopt: obeys the state': needed(committedNotAll),
  'adopt: nothing of another input': needed(undoneNotAll, { ...ordinary, ordinary: 'other input' }),
  'other input: undoes what it did before it met the transaction': needed('I1: a step of another input is left', {
    ...ordinary,
    ordinary: 'other first step',
  }),
  'workflow: obeys a fate that it meets': needed(committedNotAll),
  'workflow: adopts what it meets': needed(undoneNotAll),
  'workflow: adopts what it meets, whoever owns it': needed(committedNotAll),
  'workflow: adopts what it meets when it stores a rejection': needed(undoneNotAll),
  'workflow: looks before it undoes what it adopted': needed(undoneNotAll),
  'workflow: looks before it undoes while no step is known to be its own': needed(undoneNotAll),
  'close: the fate with the delete': needed('I1: the fate is not kept'),
};

describe("the direct lane's protocol, in every state that it can come to", function () {
  // As long as it takes on a machine that has much else to do.
  this.timeout(600_000);

  for (const [name, instance] of Object.entries(INSTANCES)) {
    it(`${name}: one end, each step once or not at all, and it always ends`, function () {
      const explored = explore(protocol(instance));
      assertHolds(explored);
      const kinds = [...explored.atRest.keys()];
      for (const kind of ['committed by D1', 'undone by D1', 'committed by W', 'undone by W', 'nothing']) {
        assert.ok(kinds.includes(kind), `the exploration has never come to '${kind}': ${kinds.join(', ')}`);
      }
      tell(this.test, `${explored.states.toLocaleString('en')} states, ${explored.moves.toLocaleString('en')} moves`);
    });
  }

  describe('needs each of its rules: it breaks without', () => {
    for (const guard of GUARDS) {
      const rule = RULES[guard];
      if ('harmless' in rule) continue;
      it(`'${guard}' (${rule.breaks})`, function () {
        const explored = explore(protocol({ ...rule.in, decisions: false }, new Set([guard])));
        assertBreaks(explored, rule.breaks);
        tell(this.test, `${explored.states} states`);
      });
    }
  });

  describe('has second nets: nothing is lost without', () => {
    for (const guard of GUARDS) {
      const rule = RULES[guard];
      if (!('harmless' in rule)) continue;
      const { in: instance = ordinary, without, breaks } = rule;
      it(`'${guard}': ${rule.harmless}`, function () {
        const explored = explore(protocol({ ...instance, decisions: false }, new Set([guard])));
        assertHolds(explored);
        tell(this.test, `${explored.states} states`);
      });
      if (without === undefined || breaks === undefined) continue;
      it(`'${guard}', but not without '${without}' too (${breaks})`, () => {
        assertBreaks(explore(protocol({ ...instance, decisions: false }, new Set([guard, without]))), breaks);
      });
    }
  });
});

function assertHolds({ violation }: Explored): void {
  assert.equal(violation, undefined, `${violation?.broken ?? ''}\n  ${violation?.trace.join('\n  ') ?? ''}`);
}

function assertBreaks({ violation }: Explored, breaks: string): void {
  assert.equal(violation?.broken, breaks, `\n  ${violation?.trace.join('\n  ') ?? 'nothing is broken'}`);
}

/** Adds a figure to the test's name in the report. */
function tell(test: Mocha.Runnable | undefined, figure: string): void {
  if (test !== undefined) test.title += ` — ${figure}`;
}

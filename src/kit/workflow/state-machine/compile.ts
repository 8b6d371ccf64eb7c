import { msToNumber } from '@temporalio/common/lib/time.js';
import type { DeadlineRule, DeadlineSpec, EntrySpec, Move, StateMachine, TransitionSpec } from './definition.js';
import { mermaidOf } from './mermaid.js';

/** A table that breaks a rule. The message is one line. */
export class MachineError extends Error {
  constructor(machine: string, why: string) {
    super(`state machine '${machine}': ${why}`);
    this.name = 'MachineError';
  }
}

/** A table whose types were checked, or were not known. */
interface AnyTable {
  readonly name: string;
  readonly revision?: number;
  readonly initial: string;
  readonly states: readonly string[];
  readonly final: readonly string[];
  readonly transitions: Readonly<
    Record<string, TransitionSpec<string, string> | readonly TransitionSpec<string, string>[]>
  >;
  readonly deadlines?: Readonly<Record<string, DeadlineSpec<string, string>>>;
  readonly entry?: Readonly<Record<string, EntrySpec<string> | undefined>>;
  readonly ignored?: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** Names travel in workflow ids, in branches of the guard and in pictures. */
const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,59}$/;
const STATE = /^[A-Za-z][A-Za-z0-9_-]{0,59}(\.[A-Za-z][A-Za-z0-9_-]{0,59})?$/;

const many = <T>(given: T | readonly T[]): readonly T[] => (Array.isArray(given) ? given : [given]) as readonly T[];

/** Makes a machine of a table, and refuses one that breaks a rule. @throws {@link MachineError} */
export function compile(given: unknown): StateMachine<never, never, never, never> {
  const { name, revision = 1, initial, states, final, transitions } = given as AnyTable;
  const { deadlines = {}, entry = {}, ignored = {} } = given as AnyTable;
  const refuse = (why: string): never => {
    throw new MachineError(name, why);
  };
  if (!Number.isInteger(revision) || revision < 1) refuse(`its revision is ${revision}: they are counted from 1`);
  const known = new Set(states);
  if (known.size < states.length)
    refuse(`state '${states.find((each, at) => states.indexOf(each) < at)}' is declared twice`);
  for (const state of states)
    if (!STATE.test(state)) refuse(`'${state}' is no name of a state, such as PAID or PAID.PICKING`);
  const declared = (state: string, where: string) => {
    if (!known.has(state)) refuse(`${where} names the state '${state}', which is not declared`);
    return state;
  };
  const ends = new Set(final.map((state) => declared(state, 'final')));
  if (ends.has(declared(initial, 'initial'))) refuse(`it begins in '${initial}', which is final`);
  const cover = (pattern: string, where: string): string[] => {
    if (!pattern.endsWith('.*')) return [declared(pattern, where)];
    const main = pattern.slice(0, -2);
    const covered = states.filter((state) => state === main || state.startsWith(`${main}.`));
    return covered.length > 0 ? covered : refuse(`${where} names '${pattern}', and no such state is declared`);
  };
  const coverAll = (patterns: string | readonly string[], where: string) => [
    ...new Set(many(patterns).flatMap((pattern) => cover(pattern, where))),
  ];

  const table = new Map<string, Map<string, Move>>();
  for (const [event, specs] of Object.entries(transitions)) {
    if (!NAME.test(event)) refuse(`'${event}' is no name of an event`);
    const moves = new Map<string, Move>();
    table.set(event, moves);
    for (const { from, to, guard, effect } of many(specs)) {
      declared(to, `'${event}'`);
      for (const state of coverAll(from, `'${event}'`)) {
        if (ends.has(state)) refuse(`'${event}' leads out of '${state}', which is final`);
        if (moves.has(state))
          refuse(`'${event}' leads out of '${state}' twice: to '${moves.get(state)?.to}' and to '${to}'`);
        moves.set(state, { event, from: state, to, guard, effect });
      }
    }
  }
  const all = [...table.values()].flatMap((moves) => [...moves.values()]);
  const reached = new Set([initial]);
  // A set that grows while it is walked through is walked through to its end.
  for (const state of reached) for (const { from, to } of all) if (from === state) reached.add(to);
  for (const state of states) {
    if (!reached.has(state)) refuse(`no transition leads to '${state}'`);
    if (!ends.has(state) && !all.some(({ from }) => from === state)) {
      refuse(`nothing leads out of '${state}', and it is not final`);
    }
  }

  const isEvent = (event: string, where: string) => {
    if (!table.has(event)) refuse(`${where} names the event '${event}', which is not declared`);
  };
  const rules = Object.entries(deadlines).map(([deadline, spec]): DeadlineRule => {
    const where = `deadline '${deadline}'`;
    // Each begins transactions whose ids it is a part of.
    if (table.has(deadline) || known.has(deadline)) refuse(`${where} has the name of an event or a state`);
    if (!NAME.test(deadline)) refuse(`'${deadline}' is no name of a deadline`);
    const during = coverAll(spec.during, where);
    const afterMs = msToNumber(spec.after);
    if (afterMs <= 0) refuse(`${where} has to be later than at once`);
    const rule = { name: deadline, during: new Set(during), afterMs, everyMs: afterMs, times: 1 };
    for (const state of during) if (ends.has(state)) refuse(`${where} runs in '${state}', which is final`);
    if ('fires' in spec) {
      isEvent(spec.fires, where);
      const cannot = during.find((state) => !table.get(spec.fires)?.has(state));
      if (cannot !== undefined) refuse(`${where} fires '${spec.fires}', which is illegal in '${cannot}'`);
      return { ...rule, fires: spec.fires, input: spec.input };
    }
    if ('alarm' in spec) return { ...rule, alarm: spec.alarm };
    const { runs, every, times = 1 } = spec;
    if (!Number.isInteger(times) || times < 1) refuse(`${where} runs ${times} times`);
    return { ...rule, runs, everyMs: every === undefined ? afterMs : msToNumber(every), times };
  });
  for (const [state, spec] of Object.entries(entry)) {
    const where = `the entry of '${state}'`;
    declared(state, where);
    if (table.has(state)) refuse(`${where} has the name of an event`);
    if (ends.has(state)) refuse(`${where} begins something in a final state`);
    for (const event of [spec?.done, spec?.failed]) if (event !== undefined) isEvent(event, where);
  }
  const quiet = Object.entries(ignored).map(([event, patterns]) => {
    isEvent(event, 'ignored');
    return [event, new Set(patterns === undefined ? [] : coverAll(patterns, `ignored '${event}'`))] as const;
  });

  const machine: StateMachine = {
    ...{ name, revision, initial, states, final, events: [...table.keys()], moves: all, deadlines: rules },
    entry: entry as Readonly<Record<string, EntrySpec<string>>>,
    ignored: Object.fromEntries(quiet),
    move: (event, from) => table.get(event)?.get(from),
    legalIn: (state) => [...table].filter(([, moves]) => moves.has(state)).map(([event]) => event),
    mermaid: (path) => mermaidOf(machine, path),
  };
  return machine as StateMachine<never, never, never, never>;
}

import type { DeadlineRule, StateMachine } from './definition.js';

/**
 * A machine as a Mermaid `stateDiagram-v2`: main states with their sub-states within, transitions by their events (`*` marks one with
 * effects in other services), and deadlines as notes. The same table always makes the same text, so that a copy that is checked in can be
 * compared.
 *
 * @param path the moves of one object, in their order: they are numbered, and the state that it is in is marked
 */
export function mermaidOf(machine: StateMachine, path: readonly Taken[] = []): string {
  const lines = ['stateDiagram-v2', `  [*] --> ${idOf(machine, machine.initial)}`];
  const mains = [...new Set(machine.states.map(mainOf))];
  for (const main of mains) {
    const inside = machine.states.filter((state) => mainOf(state) === main);
    if (inside.every((state) => state === main)) continue;
    lines.push(`  state ${nameOf(main)} {`);
    for (const state of inside) lines.push(`    state "${subOf(state) ?? '(none)'}" as ${idOf(machine, state)}`);
    lines.push('  }');
  }
  const drawn = new Map<string, string[]>();
  for (const { event, from, to, effect } of machine.moves) {
    const arrow = `${idOf(machine, from)} --> ${idOf(machine, to)}`;
    const times = path.flatMap((move, at) => (move.event === event && move.from === from ? [at + 1] : []));
    const name = `${event}${effect === undefined ? '' : '*'}${times.length === 0 ? '' : ` [${times.join(', ')}]`}`;
    drawn.set(arrow, [...(drawn.get(arrow) ?? []), name]);
  }
  for (const [arrow, events] of drawn) lines.push(`  ${arrow} : ${events.join(', ')}`);
  for (const state of machine.final) lines.push(`  ${idOf(machine, state)} --> [*]`);
  for (const state of machine.states) {
    const begun = machine.entry[state];
    const notes = [
      ...(begun === undefined ? [] : [`on entry ${begun.saga ?? begun.operation.name}`]),
      ...machine.deadlines.filter(({ during }) => during.has(state)).map(describeDeadline),
    ];
    if (notes.length > 0) lines.push(`  note right of ${idOf(machine, state)} : ${notes.join('; ')}`);
  }
  const last = path.at(-1);
  if (last !== undefined) lines.push('  classDef here stroke-width:4px', `  class ${idOf(machine, last.to)} here`);
  return lines.join('\n');
}

/** A move that an object has made. */
export interface Taken {
  readonly event: string;
  readonly from: string;
  readonly to: string;
}

/** What a deadline does, and when, in words. */
function describeDeadline(rule: DeadlineRule): string {
  return `${rule.name} after ${span(rule.afterMs)} ${thenOf(rule)}`;
}

/** What happens when a deadline has passed. */
export function thenOf({ fires, runs, alarm, times }: DeadlineRule): string {
  if (fires !== undefined) return `fires ${fires}`;
  if (runs !== undefined) return `runs ${runs.saga ?? runs.operation.name}${times > 1 ? ` up to ${times} times` : ''}`;
  return `raises ${alarm}`;
}

/** The main state of a state, and its sub-state if it has one. */
export function mainOf(state: string): string {
  return state.split('.', 1)[0] ?? state;
}

export function subOf(state: string): string | undefined {
  const main = mainOf(state);
  return main === state ? undefined : state.slice(main.length + 1);
}

/** What Mermaid calls a state: a main state that has sub-states is a frame, and the main state itself one of those within. */
function idOf({ states }: StateMachine, state: string): string {
  const hasSubs = states.some((each) => each !== state && mainOf(each) === state);
  return hasSubs ? `${nameOf(state)}_none` : nameOf(state);
}

/** Hyphens and dots mean something else there. */
const nameOf = (state: string) => state.replaceAll(/[.-]/g, '_');

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

/** A time in the largest unit that says it exactly. */
function span(ms: number): string {
  const [unit, size] = UNITS.find(([, each]) => ms % each === 0) ?? ['millisecond', 1];
  const count = ms / size;
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

import type { MachineCore } from './core.js';
import type { DueDeadline } from './deadlines.js';
import type { Jobs } from './jobs.js';
import { machineFailure } from './protocol.js';
import type { Telling } from './telling.js';
import type { Transitions } from './transitions.js';

/** Does what a deadline says that has passed. */
export async function passDeadline(
  core: MachineCore,
  due: DueDeadline,
  { transitions, jobs, telling }: { transitions: Transitions; jobs: Jobs; telling: Telling },
): Promise<void> {
  const { rule, running, round } = due;
  const { name, fires, runs, alarm, times } = rule;
  const { version, failed } = running;
  const { state } = core;
  const key = `${name}.${version}`;
  if (fires !== undefined) {
    const requestId = failed === 0 ? key : `${key}.${failed}`;
    await transitions.take(core, {
      ...{ via: 'deadline', at: Date.now(), waiters: [] },
      order: { event: fires, requestId, input: rule.input, by: { actor: 'deadline', reason: name } },
      refused: ({ type, message }) => {
        // What its saga did stands, and would be done a second time: people are told of that.
        if (type === machineFailure.unmoved) return;
        const isFirst = core.deadlines.again(due, Date.now());
        const what = `deadline '${name}' has come to nothing, and is tried again: ${message}`;
        if (isFirst) telling.alarm('deadline-failed', key, what);
      },
    });
  } else if (alarm !== undefined) {
    telling.alarm(alarm, key, `deadline '${name}' has passed: it is in ${state} still`);
  } else if (runs !== undefined && round <= times) {
    jobs.start({ ...{ kind: 'deadline', name, state, version, round }, key: `${key}.${round}` });
  } else {
    telling.alarm('deadline-passed', key, `deadline '${name}' has run ${times} times: it is in ${state} still`);
  }
}

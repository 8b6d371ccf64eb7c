import v8 from 'node:v8';
import vm from 'node:vm';

/**
 * Loaded into every thread before the SDK (`node --import`): takes away from the workflow thread, by the environment that
 * it was started in, what no setting of the SDK takes away. It shows what that costs; nothing but the benchmark uses it.
 *
 * - `BENCH_THREAD=no-watchdog`: a call into the sandbox without a timeout, so that Node starts no thread for it.
 * - `BENCH_THREAD=no-promise-hook`: no stack trace is recorded for a promise.
 * - `BENCH_THREAD=no-stacks`: a stack trace has no frames.
 * - `BENCH_THREAD=neither`: neither watchdog nor promise hook.
 */
const mode = process.env.BENCH_THREAD;
const { Script } = vm;

if (mode === 'no-watchdog' || mode === 'neither') {
  type Run = (this: vm.Script, context: vm.Context, options?: object) => unknown;
  const run = Reflect.get(Script.prototype, 'runInContext') as Run;
  Script.prototype.runInContext = function (this: vm.Script, context, options) {
    return run.call(this, context, { ...options, timeout: undefined });
  };
}
if (mode === 'no-promise-hook' || mode === 'neither') {
  const create = v8.promiseHooks.createHook.bind(v8.promiseHooks);
  v8.promiseHooks.createHook = (hooks) => {
    // Node's own hook, for AsyncLocalStorage, has more.
    if (hooks.before === undefined) throw new Error('taken away');
    return create(hooks);
  };
}
if (mode === 'no-stacks') {
  const create = vm.createContext.bind(vm);
  vm.createContext = (object, options) => {
    const context = create(object, options);
    new Script('Error.stackTraceLimit = 0').runInContext(context);
    return context;
  };
}

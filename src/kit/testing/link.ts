import { Rejection } from '../database/index.js';
import type { Operation } from '../workflow/branch.js';
import type { Point } from './faults.js';
import type { Answer, FromWorker, Request, Terms, ToWorker } from './protocol.js';

/** An error that a fault throws in place of a broken connection or a lost reply: it says nothing of the outcome. */
class InjectedFault extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InjectedFault';
  }
}

/** The matrix as its worker sees it. */
export class MatrixLink {
  readonly #waiting = new Map<number, (message: ToWorker) => void>();
  readonly #serve: Promise<void>;
  /** Resolves when its program is ready, and shall serve. */
  readonly #serving: Promise<void>;
  #serves: () => void = () => undefined;
  #last = 0;
  /** Does what the matrix asks for. Set before it serves. */
  serve: ((request: Request) => Promise<unknown>) | undefined;

  constructor() {
    let serve: () => void = () => undefined;
    this.#serve = new Promise((resolve) => (serve = resolve));
    this.#serving = new Promise((resolve) => (this.#serves = resolve));
    process.on('message', (message: ToWorker) => {
      if (message.type === 'serve') {
        serve();
        return;
      }
      const { id } = message;
      if (message.type === 'request') {
        void this.#reply(id, message.request);
        return;
      }
      this.#waiting.get(id)?.(message);
      this.#waiting.delete(id);
    });
    // A worker does not outlive its matrix.
    process.once('disconnect', () => process.exit(1));
  }

  /** Says that this worker could serve, and waits until it shall: a spare waits for the end of another one. */
  async ready(): Promise<void> {
    send({ type: 'ready' });
    await this.#serve;
    this.#serves();
  }

  /** How the workflow of a transaction is started, if it is one of the matrix's. */
  async terms(gid: string): Promise<Terms | undefined> {
    const message = await this.#ask((id) => ({ type: 'starting', id, gid }));
    return message.type === 'terms' ? message.terms : undefined;
  }

  /** Tells the matrix something, and waits for what it says. */
  #ask(messageOf: (id: number) => FromWorker): Promise<ToWorker> {
    const id = ++this.#last;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      send(messageOf(id));
    });
  }

  async #reply(id: number, request: Request): Promise<void> {
    await this.#serving;
    try {
      if (this.serve === undefined)
        throw new Error('it was not told how to ask: call asks() of matrixFaults() before workerOptions()');
      send({ type: 'reply', id, reply: await this.serve(request) });
    } catch (error) {
      send({ type: 'reply', id, error: String(error) });
    }
  }

  /** One attempt of a participant's function. */
  attempt(operation: Operation, perform: (operation: Operation) => Promise<unknown>): Promise<unknown> {
    const flight = ++this.#last;
    const state = { held: true };
    const work = async (): Promise<unknown> => {
      try {
        const answer = await this.pass('before', operation, flight);
        state.held = false;
        // What is on its way to a participant hears nothing of a caller that has given up.
        const { signal } = answer === 'late' ? new AbortController() : operation;
        const result = await perform({ ...operation, signal });
        state.held = true;
        await this.pass('after', operation, flight);
        return result;
      } finally {
        send({ type: 'left', flight });
      }
    };
    return untilGivenUp(work(), operation, state);
  }

  /** Lets the matrix decide what becomes of an operation at a point. @throws what the fault throws */
  async pass(point: Point, operation: Operation, flight?: number): Promise<Answer> {
    const { gid, branch, op, settle, attempt, driver } = operation;
    const where = `${operation.function} of ${gid}, attempt ${attempt}`;
    const reached = { point, gid, branch, op, settle, attempt, driver, flight };
    const message = await this.#ask((id) => ({ type: 'reached', id, reached }));
    const answer = message.type === 'answer' ? message.answer : 'go';
    switch (answer) {
      case 'fail':
        throw new InjectedFault(`a fault was set: ${where} fails (${point})`);
      case 'refuse':
        throw new Rejection('Refused', `a fault was set: ${where} is refused`);
      case 'hang':
        return new Promise(() => undefined);
      default:
        return answer;
    }
  }
}

/**
 * Settles as the work does, or rejects when its caller has given up: its time is over (and a little more, so that it is
 * the server that tells), or it is cancelled while the matrix holds it. The work goes on all the same.
 */
function untilGivenUp(
  work: Promise<unknown>,
  { timeoutMs, signal }: Operation,
  state: { readonly held: boolean },
): Promise<unknown> {
  work.catch(() => undefined);
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      reject(new InjectedFault('a fault was set: no answer came'));
    };
    const onAbort = () => {
      if (state.held) giveUp();
    };
    const timer = setTimeout(giveUp, timeoutMs + 100);
    signal.addEventListener('abort', onAbort);
    void work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    });
  });
}

function send(message: FromWorker): void {
  // A matrix that is gone ends this process by itself.
  process.send?.(message, () => undefined);
}

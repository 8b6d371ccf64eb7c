import { SingleBar } from 'cli-progress';
import type { Io } from './io.js';

/** Shows how far long work is. */
export interface Progress {
  readonly step: (by?: number) => void;
  readonly stop: () => void;
}

const LINE_MS = 10_000;

/** Where a command speaks: the result to stdout, everything else to stderr. */
export class Output {
  readonly json: boolean;

  readonly #io: Io;

  constructor(json: boolean, io: Io = process) {
    this.json = json;
    this.#io = io;
  }

  /** The result: one JSON document, or text for people. */
  result(document: object, text: () => string): void {
    this.#io.stdout.write(`${this.json ? JSON.stringify(document, undefined, 2) : text()}\n`);
  }

  /** A line for people who watch. */
  note(line: string): void {
    this.#io.stderr.write(`${line}\n`);
  }

  /** A bar, if someone watches; else a line every ten seconds. */
  progress(total: number, what: string): Progress {
    if (!this.#io.stderr.isTTY) {
      let done = 0;
      let told = performance.now();
      return {
        step: (by = 1) => {
          done += by;
          if (performance.now() - told < LINE_MS) return;
          told = performance.now();
          this.note(`${done}/${total} ${what}`);
        },
        stop: () => undefined,
      };
    }
    const bar = new SingleBar({
      format: `{bar} {value}/{total} ${what}, {duration_formatted}, {eta_formatted} to go`,
      stream: this.#io.stderr,
      barsize: 30,
    });
    bar.start(total, 0);
    return {
      step: (by = 1) => {
        bar.increment(by);
      },
      stop: () => {
        bar.stop();
      },
    };
  }
}

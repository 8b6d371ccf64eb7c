import { SingleBar } from 'cli-progress';

/** Shows how far long work is. */
export interface Progress {
  readonly step: (by?: number) => void;
  readonly stop: () => void;
}

const LINE_MS = 10_000;

/** Where a command speaks: the result to stdout, everything else to stderr. */
export class Output {
  readonly json: boolean;

  constructor(json: boolean) {
    this.json = json;
  }

  /** The result: one JSON document, or text for people. */
  result(document: object, text: () => string): void {
    process.stdout.write(`${this.json ? JSON.stringify(document, undefined, 2) : text()}\n`);
  }

  /** A line for people who watch. */
  note(line: string): void {
    process.stderr.write(`${line}\n`);
  }

  /** A bar, if someone watches; else a line every ten seconds. */
  progress(total: number, what: string): Progress {
    if (!process.stderr.isTTY) {
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
      stream: process.stderr,
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

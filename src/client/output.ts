import { SingleBar } from 'cli-progress';

/** Shows how far long work is. */
export interface Progress {
  readonly step: (by?: number) => void;
  readonly stop: () => void;
}

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

  /** A bar, if someone watches. */
  progress(total: number, what: string): Progress {
    if (!process.stderr.isTTY) return { step: () => undefined, stop: () => undefined };
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

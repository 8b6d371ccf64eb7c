import { readFileSync } from 'node:fs';
import { Command, CommanderError } from '@commander-js/extra-typings';
import { temporalSettings, type TemporalSettings } from '../config.js';
import { EXIT, errorDocument, exitOf, type ExitCode } from './exit.js';
import type { Io } from './io.js';
import { Output } from './output.js';
import { connect, type Session } from './session.js';

/** As package.json says: two folders up, of the sources and of what is built from them. */
function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** Of help, in columns, where nobody says how many there are. */
const USUAL_WIDTH = 80;

/** Options that every command has. */
function createRoot({ stdout, stderr }: Io) {
  return new Command('backstitch')
    .description('Starts transactions, shows them, and proves the books of the shop.')
    .version(version())
    .option('--json', 'one JSON document on stdout, nothing else there')
    .option('--address <host:port>', 'the Temporal server (default: TEMPORAL_ADDRESS, or 127.0.0.1:7233)')
    .option('--namespace <name>', 'its namespace (default: TEMPORAL_NAMESPACE, or default)')
    .option('--task-queue <name>', 'the task queue of the workers (default: BACKSTITCH_TASK_QUEUE, or backstitch)')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      getOutHelpWidth: () => widthOf(stdout),
      getErrHelpWidth: () => widthOf(stderr),
    })
    .addHelpText(
      'after',
      '\nExit codes: 0 done; 1 the transaction was undone or refused; 2 bad usage or input; 3 pending: ask later; 4 stuck: a person is needed.',
    )
    .exitOverride();
}

function widthOf({ isTTY = false, columns }: Io['stdout']): number {
  return isTTY ? (columns ?? USUAL_WIDTH) : USUAL_WIDTH;
}

/** One run of the program: its root command, and what the commands work with. */
export class Cli {
  readonly root;
  readonly #io: Io;
  #exitCode: ExitCode = EXIT.done;
  #session: Session | undefined;

  constructor(io: Io = process) {
    this.#io = io;
    this.root = createRoot(io);
  }

  get output(): Output {
    return new Output(this.root.opts().json === true, this.#io);
  }

  get settings(): TemporalSettings {
    const { address, namespace, taskQueue } = this.root.opts();
    return temporalSettings({
      ...this.#io.env,
      ...(address !== undefined && { TEMPORAL_ADDRESS: address }),
      ...(namespace !== undefined && { TEMPORAL_NAMESPACE: namespace }),
      ...(taskQueue !== undefined && { BACKSTITCH_TASK_QUEUE: taskQueue }),
    });
  }

  /** Connects, once. @throws NotReady */
  async open(): Promise<Session> {
    const { settings } = this;
    this.#session ??= { client: await connect(settings), settings, output: this.output };
    return this.#session;
  }

  /** Makes a command's function into commander's: what it returns is the exit code. */
  does<Args extends unknown[]>(command: (...args: Args) => Promise<ExitCode>): (...args: Args) => Promise<void> {
    return async (...args) => {
      this.#exitCode = await command(...args);
    };
  }

  /** Runs the command that the arguments name. Never throws: every error becomes a line and an exit code. */
  async run(args: readonly string[]): Promise<ExitCode> {
    try {
      await this.root.parseAsync(args, { from: 'user' });
      return this.#exitCode;
    } catch (error) {
      if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done; // help was asked for
      const json = args.includes('--json');
      if (json) this.#io.stdout.write(`${JSON.stringify(errorDocument(error), undefined, 2)}\n`);
      // Commander has said what is wrong with the usage.
      if (error instanceof CommanderError) return EXIT.bad;
      this.#io.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      return exitOf(error);
    } finally {
      await this.#session?.client.connection.close();
    }
  }
}

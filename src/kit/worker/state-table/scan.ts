import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { ANSWER_MS } from '../../client/server.js';
import type { StateRow } from '../../database/index.js';
import type { Alarm, AlarmRules } from '../../workflow/alarms.js';
import { handOver } from '../alarms.js';
import { messageOf } from '../../database/message.js';
import { Silence } from './breaker.js';
import { takeToDesk, tellDesk, type DeskPlace, type KeptTable, type StateTables } from './desk.js';

/** Options of {@link startStateScan}. */
export interface StateScanOptions extends DeskPlace {
  readonly tables: StateTables;
  /** Between two looks at each table where nothing is due, in milliseconds. Default: 1,000 */
  readonly intervalMs?: number;
  /** How alarms are delivered: the same that `alarmActivities` are given. Default: none of one's own */
  readonly alarmRules?: AlarmRules;
  /** Told in one line when a table cannot be used, or a row not be taken to the desk, and when it can again. */
  readonly onWarning?: (line: string) => void;
}

/** A scan that runs. */
export interface StateScanning {
  /** Ends it: rounds that are under way are given up, and made again by whoever comes next. */
  stop(): Promise<void>;
}

/** Rows under way at a time, in each table. */
const AT_A_TIME = 20;
/** Of these, rows that are taken to the desk: where the server is away that takes long, and rounds do not need it. */
const TO_DESK_AT_A_TIME = 5;
/** How long none is taken there after one could not be, in milliseconds; and how long one waits for its turn. */
const DESK = { restMs: 10_000, turnMs: 1_000 } as const;

/**
 * Looks, for as long as it runs, for rows that are due: makes a round of each, and takes those to the desk that are an error. Any
 * number of scans may run. Each row goes by itself: one that hangs holds up no other.
 *
 * It is a loop of the worker's own, as the relay of the direct lane is, and no workflow: the rows are the journal, and they go on
 * while the Temporal server is away. Only the desk needs it.
 */
export function startStateScan({
  tables,
  intervalMs = 1_000,
  alarmRules = {},
  onWarning,
  ...place
}: StateScanOptions): StateScanning {
  const over = new AbortController();
  // Each operation that is under way hears of it.
  setMaxListeners(0, over.signal);
  const loops = Object.entries(tables).map(([name, table]) =>
    new TableScan({ name, table, place, intervalMs, alarmRules, signal: over.signal, onWarning }).run(),
  );
  return {
    async stop() {
      over.abort();
      await Promise.all(loops);
    },
  };
}

interface ScanOf {
  readonly name: string;
  readonly table: KeptTable;
  readonly place: DeskPlace;
  readonly intervalMs: number;
  readonly alarmRules: AlarmRules;
  readonly signal: AbortSignal;
  readonly onWarning: ((line: string) => void) | undefined;
}

class TableScan {
  readonly #of: ScanOf;
  readonly #silence: Silence;
  readonly #underWay = new Set<Promise<void>>();
  #toDesk = 0;
  #deskRestsUntil = 0;
  #telling: Promise<void> | undefined;
  /** What was told last, by what it is about. */
  readonly #told = new Map<string, string>();

  constructor(of: ScanOf) {
    this.#of = of;
    this.#silence = new Silence(of.table.scan.roundMs);
  }

  async run(): Promise<void> {
    const { signal, intervalMs } = this.#of;
    while (!signal.aborted) {
      this.#telling ??= this.#tellAll().finally(() => {
        this.#telling = undefined;
      });
      const free = AT_A_TIME - this.#underWay.size;
      const taken = free === 0 ? 0 : await this.#take(free);
      // As long as all that was asked for was there, there may be more.
      if (free > 0 && taken === free) continue;
      const pause = sleep(intervalMs, undefined, { signal }).catch(() => undefined);
      await (this.#underWay.size < AT_A_TIME ? pause : Promise.race([pause, ...this.#underWay]));
    }
    await Promise.all([...this.#underWay, this.#telling]);
  }

  /** Tells people, and who waits for them, what is to be told. Never rejects: what was not told is told later. */
  async #tellAll(): Promise<void> {
    const { intervalMs, signal } = this.#of;
    try {
      if (this.#deskRestsUntil <= performance.now()) {
        await this.#tellOfEnds();
        await this.#tellOfSilence();
        this.#wellAgain('telling');
      }
    } catch (error) {
      this.#tell(
        'telling',
        `the desk is not told yet of rows that have ended or cannot be called: ${messageOf(error)}`,
      );
      this.#deskRestsUntil = performance.now() + DESK.restMs;
    }
    await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
  }

  /** Closes the cases of rows that have ended while a person had them. */
  async #tellOfEnds(): Promise<void> {
    const { name, table, place } = this.#of;
    // That the table cannot be used is told by who takes rows from it.
    const ended = await table.scan.endedAtDesk(AT_A_TIME).catch(() => []);
    for (const gid of ended) {
      await this.#asking(() => tellDesk(place, name, gid));
      await table.scan.offDesk(gid);
    }
  }

  /** One alarm for a participant that is silent for as long as a row's rounds take: of many rows each comes to its own end much later. */
  async #tellOfSilence(): Promise<void> {
    const { name, table, place, alarmRules: rules } = this.#of;
    const { rounds, scanAfterMs } = table.limits;
    for (const { participant, forMs } of this.#silence.untold(rounds * scanAfterMs)) {
      const at = Date.now();
      const since = at - Math.round(forMs);
      const alarm: Alarm = {
        // Each worker finds out by itself, at about the same time: one alarm an hour.
        id: `participant-silent/${name}/${participant}/${Math.floor(since / 3_600_000)}`,
        ...{ kind: 'participant-silent', at, data: { table: name, participant, since } },
        message: `'${participant}' gives no definite answer since ${new Date(since).toISOString()}: the rows of the state table '${name}' that need it wait, and come to the desk one by one`,
      };
      await this.#asking(() => handOver({ ...place, rules }, [alarm]));
      this.#silence.told(participant);
    }
  }

  /** Whoever stops does not wait for a server that is away. */
  #asking<T>(work: () => Promise<T>): Promise<T> {
    const { signal, place } = this.#of;
    return place.client.withAbortSignal(signal, () => place.client.withDeadline(Date.now() + ANSWER_MS, work));
  }

  /** @returns how many were taken */
  async #take(most: number): Promise<number> {
    const { name, table } = this.#of;
    const what = `the state table '${name}'`;
    try {
      const { driver, rows } = await table.scan.take(most);
      this.#wellAgain(what);
      for (const row of rows) {
        const done = this.#handle(row, driver).finally(() => this.#underWay.delete(done));
        this.#underWay.add(done);
      }
      return rows.length;
    } catch (error) {
      this.#tell(what, `${what} cannot be scanned: ${messageOf(error)}`);
      return 0;
    }
  }

  /** Never rejects: what could not be done is due again. */
  async #handle(row: StateRow, driver: string): Promise<void> {
    const { table, signal } = this.#of;
    try {
      if (row.state === 'error') {
        await this.#takeToDesk(row, driver);
        return;
      }
      const operations = row.calls.slice(row.done).map(({ operation }) => operation);
      if (this.#silence.among(operations) !== undefined) {
        await table.scan.giveBack(row.gid, driver, table.limits.scanAfterMs);
        return;
      }
      const round = await table.scan.round(row, driver, signal);
      if (round.operation !== undefined) this.#silence.failed(round.operation);
      for (const operation of operations) {
        if (operation === round.operation) break;
        this.#silence.answered(operation);
      }
      if (round.end === 'error' && !signal.aborted) await this.#takeToDesk(round.row, driver);
    } catch (error) {
      this.#tell('rounds', `a round of ${row.gid} could not be made, and will be again: ${messageOf(error)}`);
    }
  }

  async #takeToDesk(row: StateRow, driver: string): Promise<void> {
    const { name, table, place } = this.#of;
    const { gid } = row;
    const { rounds, scanAfterMs } = table.limits;
    const restMs = this.#deskRestsUntil - performance.now();
    if (restMs > 0 || this.#toDesk >= TO_DESK_AT_A_TIME) {
      await table.scan.giveBack(gid, driver, Math.max(restMs, DESK.turnMs));
      return;
    }
    this.#toDesk++;
    try {
      if (!(await table.scan.toDesk(gid))) return;
      const order = { table: name, gid, rounds, everyMs: scanAfterMs };
      await this.#asking(() => takeToDesk(place, order, row));
      await table.scan.atDesk(gid);
      this.#wellAgain('the desk');
    } catch (error) {
      this.#tell('the desk', `${gid} could not be taken to the desk, and will be again: ${messageOf(error)}`);
      this.#deskRestsUntil = performance.now() + DESK.restMs;
      await table.scan.giveBack(gid, driver, DESK.restMs);
    } finally {
      this.#toDesk--;
    }
  }

  #tell(what: string, line: string): void {
    if (this.#told.get(what) === line) return;
    this.#told.set(what, line);
    this.#of.onWarning?.(line);
  }

  #wellAgain(what: string): void {
    if (this.#told.delete(what)) this.#of.onWarning?.(`${what} can be used again`);
  }
}

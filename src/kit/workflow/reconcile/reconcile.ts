/**
 * Reconciliation: what is asked, and what is told; by these names its workflow, its activities and its callers meet. Pure.
 */

/** What a reconciliation is asked. */
export interface ReconcileOrder {
  /** Only rows since this time, in milliseconds since 1970. Default: all */
  readonly since?: number;
  /** Pairs by their names. Default: all */
  readonly pairs?: readonly string[];
  /** Repairs what has a safe repair, with who and why. Default: what would be done is told, and nothing is. */
  readonly repair?: { readonly actor: string; readonly reason: string };
  /** Takes what no program may repair to the desk, with an alarm, once. Default: only where it repairs */
  readonly desk?: boolean;
  /** A transaction is in flight for so long after its last step, in milliseconds. Default: 5 minutes */
  readonly youngMs?: number;
}

/** What becomes of a finding: `told`, and nothing is done; what a repair came to; or a person has it, now or since an earlier run. */
export type FindingState = 'told' | 'repairable' | 'repaired' | 'not-repaired' | 'at-desk' | 'left';

/** One thing that does not agree. */
export interface Finding {
  readonly pair: string;
  readonly class: string;
  readonly key: string;
  readonly detail: string;
  readonly state: FindingState;
  /** Why it was not repaired, or what its repair is. */
  readonly note?: string;
}

/** What was found between two sides. */
export interface PairReport {
  readonly pair: string;
  readonly what: string;
  /** Rows of both sides. */
  readonly rows: readonly [number, number];
  /** Keys that differed when they were compared. */
  readonly candidates: number;
  /** Those of them that agreed when they were looked at again. */
  readonly agreed: number;
  /** Those of which a transaction was on its way. */
  readonly inFlight: number;
  /** All drift, by class; none of a class that is not there. */
  readonly drift: Readonly<Record<string, number>>;
  readonly repaired: number;
  /** Those that a person has left as they are, for good. */
  readonly left: number;
  /** Milliseconds. */
  readonly tookMs: number;
  /** Why it could not be compared to its end, if so: what is told is not all. */
  readonly failure?: string;
}

export interface ReconcileReport {
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly since?: number;
  /** Whether repairs were done. */
  readonly repaired: boolean;
  readonly pairs: readonly PairReport[];
  /** At most 1,000, those first that need somebody; the pairs count all. */
  readonly findings: readonly Finding[];
  /** Cases that were opened at the desk now. */
  readonly opened: number;
  readonly isClean: boolean;
}

/** How far it has got. */
export interface ReconcileProgress {
  readonly done: number;
  readonly total: number;
  readonly pair?: string;
}

export const RECONCILE = 'reconcile';
export const RECONCILE_PROGRESS = 'progress';
export const RECONCILE_DESK = 'reconcileDesk';

/** Findings of one pair, and of one report. */
export const MOST_FINDINGS = { pair: 300, report: 1_000 } as const;

/** What needs somebody comes first: what persons have hides nothing else. */
const RANKS: Readonly<Record<FindingState, number>> = {
  ...{ repairable: 0, 'not-repaired': 0, told: 1, repaired: 2, 'at-desk': 3, left: 4 },
};

/** The findings of a pair that are told of where there are more. */
export function foremost(findings: readonly Finding[], most: number = MOST_FINDINGS.pair): Finding[] {
  return findings.toSorted((one, other) => RANKS[one.state] - RANKS[other.state]).slice(0, most);
}

/** As many of each list as there is room for in all: none takes what another one needs, and what one does not need the others have. */
export function shared<T>(lists: readonly (readonly T[])[], room: number): T[] {
  let [left, rest, share] = [room, lists.length, room];
  for (const { length } of lists.toSorted((one, other) => one.length - other.length)) {
    share = Math.floor(left / rest);
    if (length > share) break;
    left -= length;
    rest -= 1;
  }
  return lists.flatMap((list) => list.slice(0, share));
}

/** Cases that one run opens, at most: the next one goes on. */
export const MOST_CASES = 100;

/** A pair as a workflow knows it. */
export interface NamedPair {
  readonly name: string;
  readonly what: string;
}

/** What one activity is asked of a pair. */
export interface PairOrder extends Pick<ReconcileOrder, 'since' | 'youngMs'> {
  readonly pair: string;
  /** A person asks about these keys, who has their cases. */
  readonly asked?: true;
}

/** What was found when a pair was compared, and looked at again where there was no more room. */
export interface PairCompared extends Judged {
  readonly rows: readonly [number, number];
  readonly candidates: number;
  /** Keys that are to be looked at again. */
  readonly keys: readonly string[];
  readonly tookMs: number;
}

/** What was found when keys were looked at again. */
export interface Judged {
  readonly findings: readonly Finding[];
  readonly drift: Readonly<Record<string, number>>;
  readonly agreed: number;
  readonly inFlight: number;
  /** Those of the drift that a person has left as they are. Absent: in the answers of an older release. */
  readonly left?: number;
}

/** Who repairs, and why. */
export interface RepairOrder extends Pick<ReconcileOrder, 'youngMs'> {
  readonly pair: string;
  readonly findings: readonly Finding[];
  readonly actor: string;
  readonly reason: string;
  /** A person asks for it at the desk, who has the case, and has read that it is not known whether another one has decided. */
  readonly asked?: true;
}

/** A finding, and what is asked about it, at the desk. */
export interface DriftCase {
  readonly finding: Finding;
  readonly youngMs?: number;
}

export interface ReconcileActivities {
  'backstitch.reconcilePairs': (names?: readonly string[]) => Promise<readonly NamedPair[]>;
  'backstitch.comparePair': (order: PairOrder) => Promise<PairCompared>;
  'backstitch.judgePair': (order: PairOrder, keys: readonly string[]) => Promise<Judged>;
  /** The same findings, each with what its repair came to. */
  'backstitch.repairDrift': (order: RepairOrder) => Promise<readonly Finding[]>;
  /** Opens at most so many cases; the same findings, each with where it is. */
  'backstitch.openDriftCases': (findings: readonly Finding[], most: number, youngMs?: number) => Promise<OpenedCases>;
}

export interface OpenedCases {
  readonly findings: readonly Finding[];
  readonly opened: number;
}

/** What names a finding, in whichever run it is found. */
export function findingId({ class: name, key }: Pick<Finding, 'class' | 'key'>): string {
  return `reconcile/${name}/${key}`;
}

/** That somebody has paused a schedule, as its note on the server says. Pure. */

/** Who has paused it; absent in one that was paused elsewhere (the Web UI, Temporal's command line): then the reason is its note. */
export interface Paused {
  readonly actor?: string;
  readonly reason: string;
  /** In milliseconds since 1970. */
  readonly at?: number;
}

/** The note of a schedule that is paused: for people in the Web UI, and for {@link pausedOf}. */
export function pausedNote({ actor, reason, at }: Required<Paused>): string {
  return `paused by ${actor} at ${new Date(at).toISOString()}: ${reason}`;
}

/** What the note of a schedule that is paused says. */
export function pausedOf(note = ''): Paused {
  const [, actor, time, reason] = /^paused by (.+?) at (\d{4}-\d\d-\d\dT[\d:.]+Z): (.*)$/s.exec(note) ?? [];
  if (actor === undefined || time === undefined || reason === undefined) return { reason: note };
  return { actor, reason, at: Date.parse(time) };
}

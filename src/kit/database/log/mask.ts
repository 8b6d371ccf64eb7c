import { maskInput } from '../guard/json.js';

/** Dotted paths of inputs that are stored as `***`, by function: `{ 'payments.charge': ['card.number'] }`. */
export type Masks = Readonly<Record<string, readonly string[]>>;

/** The paths of all functions of a participant: what its guard takes as `mask`. */
export function masksOf(masks: Masks, participant: string): readonly string[] {
  return Object.entries(masks).flatMap(([name, paths]) => (name.startsWith(`${participant}.`) ? paths : []));
}

/** An input as the guard of this function's participant stores it. */
export function maskedInput(masks: Masks, functionName: string, input: unknown): unknown {
  return maskInput(input, masksOf(masks, functionName.slice(0, functionName.indexOf('.'))));
}

/** A value of which it is not known where in it an input is: every path, from every object and every list within. */
export function maskedAnywhere(masks: Masks, value: unknown): unknown {
  const paths = Object.values(masks).flat();
  const within = (part: unknown): unknown => {
    if (typeof part !== 'object' || part === null) return part;
    const masked = maskInput(part, paths) as object;
    if (Array.isArray(masked)) return masked.map(within);
    return Object.fromEntries(Object.entries(masked).map(([key, each]) => [key, within(each)]));
  };
  return paths.length === 0 ? value : within(value);
}

import type { z } from 'zod';
import { Rejection } from '../kit/database/index.js';

/**
 * Checks an input at a service's edge. Guarded operations call it *inside* their guarded work: the refusal is then
 * stored like every other rejection, so a retry hears the same, and its undo finds that nothing happened. Refused before
 * the guard, an attempt of a worker with another release could still succeed after this one said no.
 *
 * @throws a {@link Rejection} `InvalidInput`: one line that names each field, its value and the rule
 */
export function validInput<Output>(schema: z.ZodType<Output>, input: unknown): Output {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => {
    const value = path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], input);
    return `${path.join('.') || 'input'} is ${shown(value)}: ${message}`;
  });
  throw new Rejection('InvalidInput', issues.join('; '));
}

function shown(value: unknown): string {
  const text = value === undefined ? 'missing' : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

import { hash } from 'node:crypto';

/** One rule that an input breaks. */
export interface InputIssue {
  /** The path of the field, such as `units`; empty for the input as a whole. */
  readonly field: string;
  readonly value: unknown;
  /** What is asked of it. */
  readonly rule: string;
}

/** The input breaks its contract. Nothing was started, nothing was written. The message has one line for each issue. */
export class InvalidInput extends Error {
  readonly issues: readonly InputIssue[];

  constructor(issues: readonly InputIssue[]) {
    super(issues.map(describeIssue).join('\n'));
    this.name = 'InvalidInput';
    this.issues = issues;
  }
}

/** One line: the field, the value, the rule. */
export function describeIssue({ field, value, rule }: InputIssue): string {
  if (field === '') return rule;
  return `${field}: ${value === undefined ? 'missing' : JSON.stringify(value)}: ${rule}`;
}

/**
 * A schema of any validation library that speaks Standard Schema: zod 3.24 and later, valibot, arktype, …
 * See https://standardschema.dev.
 */
export interface StandardSchema<Given, Input> {
  readonly '~standard': {
    readonly validate: (value: unknown) => ValidationResult<Input> | Promise<ValidationResult<Input>>;
    readonly types?: { readonly input: Given; readonly output: Input };
  };
}

type ValidationResult<Input> =
  { readonly value: Input; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[];
}

/**
 * Makes a schema into the `parse` of a contract.
 *
 * @throws from the returned function: {@link InvalidInput}; a TypeError for a schema that validates asynchronously
 */
export function parserOf<Given, Input>(schema: StandardSchema<Given, Input>): (given: Given) => Input {
  return (given) => {
    const result = schema['~standard'].validate(given);
    if (result instanceof Promise) throw new TypeError('a contract needs a schema that validates synchronously');
    if (result.issues === undefined) return result.value;
    throw new InvalidInput(result.issues.map((issue) => describe(given, issue)));
  };
}

function describe(given: unknown, { message, path = [] }: SchemaIssue): InputIssue {
  const keys = path.map((part) => (typeof part === 'object' ? part.key : part));
  let value: unknown = given;
  for (const key of keys) value = (value as Record<PropertyKey, unknown> | null | undefined)?.[key];
  return { field: keys.map(String).join('.'), value, rule: message };
}

/** The same for inputs that mean the same: the order of keys does not count. */
export function hashOf(input: unknown): string {
  return hash('sha256', canonical(input), 'hex').slice(0, 32);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

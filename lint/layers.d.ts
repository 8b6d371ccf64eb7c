import type { Rule } from 'eslint';

export interface Layer {
  readonly room: string;
  readonly values: readonly string[];
  readonly types?: readonly string[];
  readonly later?: readonly string[];
}
export const layers: readonly Layer[];
export const layersRule: Rule.RuleModule;

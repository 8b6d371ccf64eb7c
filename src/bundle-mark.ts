import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/**
 * How a bundle of the workflows begins: which release it is of. It is the same of the sources and of what is built from them, and another
 * one with each version of the package and of what it depends on. Not with each change: between releases nothing tells a bundle from
 * another one.
 */
export function bundleMark(): string {
  // One folder up, of the sources and of what is built from them.
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  return `/* backstitch ${version} ${createHash('sha256').update(text).digest('hex').slice(0, 12)} */`;
}

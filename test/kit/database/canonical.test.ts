import assert from 'node:assert/strict';
import fc from 'fast-check';
import { canonicalJson } from '../../../src/kit/database/guard/canonical.js';

/** What the hashes of all rows so far were made of. */
function byReplacer(value: unknown): string | undefined {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

describe('canonical JSON', () => {
  it('is, for any value, what it has been from the first release', () => {
    const any = fc.anything({
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withSparseArray: true,
      maxDepth: 4,
    });
    fc.assert(
      fc.property(any, (value) => {
        assert.equal(canonicalJson(value), byReplacer(value));
      }),
      { numRuns: 2_000 },
    );
  });

  it('of keys that have a meaning to JavaScript is that of any other key', () => {
    for (const text of [
      '{"b":1,"__proto__":{"a":1}}',
      '{"toJSON":1,"constructor":2}',
      '{"10":1,"9":{"z":1,"a":[{"d":1,"c":2}]}}',
    ]) {
      const value: unknown = JSON.parse(text);
      assert.equal(canonicalJson(value), byReplacer(value));
    }
    assert.notEqual(canonicalJson(JSON.parse('{"__proto__":1}')), canonicalJson({}));
  });

  it('asks a value how it is written, once', () => {
    const nested = { b: new Date(0), a: { toJSON: (key: string) => ({ z: key, a: [undefined, () => 1] }) } };
    assert.equal(canonicalJson(nested), '{"a":{"a":[null,null],"z":"a"},"b":"1970-01-01T00:00:00.000Z"}');
    assert.equal(canonicalJson(nested), byReplacer(nested));
  });

  it('refuses what JSON does not carry', () => {
    assert.throws(() => canonicalJson({ amount: 1n }), TypeError);
  });
});

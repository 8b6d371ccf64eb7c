import assert from 'node:assert/strict';
import { refusalRate, suggestOrder, type StepNeeds } from '../../../src/kit/client/index.js';

/** `name refused/reached`, in their order now; with a `!` those that cannot be undone. */
function suggested(text: string, needs?: StepNeeds) {
  const steps = text.split(', ').map((each, index) => {
    const [name = '', rate = ''] = each.split(' ');
    const [refused = 0, reached = 0] = rate.split('/').map(Number);
    return { step: name.replace('!', ''), reached, refused, place: index + 1, undoable: !name.endsWith('!') };
  });
  const { order, fixed, changes } = suggestOrder(steps.toReversed(), needs);
  return `${order.join(' ')}${fixed.length === 0 ? '' : ` | ${fixed.join(' ')}`}${changes ? ' (changed)' : ''}`;
}

describe('the order of steps that refusals suggest', () => {
  it('is the most refused first, of those that can be undone before the first that cannot', () => {
    assert.equal(suggested('pay 1/100, reserve 8/90'), 'reserve pay (changed)');
    assert.equal(suggested('reserve 8/100, pay 1/92'), 'reserve pay');
    // More refusals, and fewer of those that reached it.
    assert.equal(suggested('pay 10/1000, reserve 5/100'), 'reserve pay (changed)');
    assert.equal(suggested('pay 0/9, ship! 5/9, notify 4/4'), 'pay ship notify | ship notify');
    assert.equal(suggested('a 0/9, b 0/9, c 3/9, d 0/9'), 'c a b d (changed)');
    assert.equal(suggested('a 0/0, b 0/5'), 'a b');
    assert.equal(suggested('ship! 3/9, pay 4/9'), 'ship pay | ship pay');
  });

  it('has no step before one that it needs, which comes as early as the most refused that needs it', () => {
    assert.equal(
      suggested('create 0/9, pay 1/9, reserve 5/9', { reserve: ['create'] }),
      'create reserve pay (changed)',
    );
    const chain = { c: ['b'], b: ['a'] };
    assert.equal(suggested('other 2/9, a 0/9, b 0/9, c 3/9', chain), 'a b c other (changed)');
    assert.equal(suggested('a 1/9, b 2/9', { a: ['b'], b: ['a'] }), 'a b', 'a ring stays as it is');
    assert.equal(suggested('a 1/9, b 2/9', { b: ['nobody'] }), 'b a (changed)');
  });

  it('has nothing to say of no steps, and no rate of what was never reached', () => {
    assert.deepEqual(suggestOrder([]), { order: [], fixed: [], changes: false });
    assert.equal(refusalRate({ reached: 0, refused: 0 }), 0);
    assert.equal(refusalRate({ reached: 8, refused: 2 }), 0.25);
  });
});

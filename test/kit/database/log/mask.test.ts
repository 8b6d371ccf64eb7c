import assert from 'node:assert/strict';
import { masksOf } from '../../../../src/kit/database/index.js';
import { maskedAnywhere, maskedInput } from '../../../../src/kit/database/log/mask.js';

describe('masks by function', () => {
  const masks = { 'payments.charge': ['card.number'], 'payments.refund': ['iban'], 'paymentsOld.pay': ['secret'] };

  it("are a participant's, for its guard and for histories alike", () => {
    assert.deepEqual(masksOf(masks, 'payments'), ['card.number', 'iban']);
    assert.deepEqual(masksOf(masks, 'orders'), []);
    const input = { card: { number: '4111' }, iban: 'DE1', secret: 's' };
    assert.deepEqual(maskedInput(masks, 'payments.charge.compensation', input), {
      card: { number: '***' },
      iban: '***',
      secret: 's',
    });
    assert.equal(input.iban, 'DE1', 'the input itself stays');
  });

  it('hide what they name wherever in a decision it is', () => {
    const decision = { actor: 'ann', changed: [{ input: { card: { number: '4111' } } }], secret: 's', note: null };
    assert.deepEqual(maskedAnywhere(masks, decision), {
      actor: 'ann',
      changed: [{ input: { card: { number: '***' } } }],
      secret: '***',
      note: null,
    });
    assert.equal(maskedAnywhere(masks, 'text'), 'text');
  });

  it('hide what they name in lists too, such as the arguments of a method', () => {
    const lists = { 'inventory.reserve': ['0.number', '2'] };
    const decision = { actor: 'ann', input: [{ number: '4111', holder: 'Ann' }, [{ number: '1' }], 'secret'] };
    assert.deepEqual(maskedAnywhere(lists, decision), {
      actor: 'ann',
      input: [{ number: '***', holder: 'Ann' }, [{ number: '***' }], '***'],
    });
    assert.deepEqual(maskedAnywhere(lists, decision.input), [
      { number: '***', holder: 'Ann' },
      [{ number: '***' }],
      '***',
    ]);
    assert.deepEqual(maskedInput(lists, 'inventory.reserve.action', [{ number: '4111' }, 1]), [{ number: '***' }, 1]);
    assert.equal((decision.input[0] as { number: string }).number, '4111', 'the input itself stays');
  });
});

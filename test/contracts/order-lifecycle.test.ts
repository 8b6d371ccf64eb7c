import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { orderLifecycleMachine } from '../../src/contracts/order-lifecycle.js';

describe('the life of an order, as a table', () => {
  it('is drawn in docs/state-machine.md as it is', () => {
    const page = readFileSync(new URL('../../docs/state-machine.md', import.meta.url), 'utf8');
    const drawn = `\`\`\`mermaid\n${orderLifecycleMachine.mermaid()}\n\`\`\`\n`;
    assert.ok(page.includes(drawn), `put this into docs/state-machine.md, under "The shop's order":\n${drawn}`);
  });

  it('is refunded by hand only where no refund runs; how one ends only itself can say', () => {
    const from = (event: string) => orderLifecycleMachine.moves.filter((move) => move.event === event);
    assert.deepEqual(
      from('refunded').map((move) => move.from),
      ['REFUNDING.REFUSED', 'REFUNDING.KEPT_REFUSED'],
    );
    const ends = [...from('refundDone'), ...from('refundRefused')];
    assert.equal(ends.length, 4);
    for (const { event, from: state, guard } of ends) {
      const order = (actor: string) => ({ event, id: 'order-1', state, data: {}, by: { actor, reason: 'by hand' } });
      assert.match(guard?.(order('ann')) ?? '', /decided at its desk/);
      assert.equal(guard?.(order('entry') as never), undefined);
    }
  });

  it('numbers the moves of one order, and marks where it is', () => {
    const path = [
      { event: 'pay', from: 'WAIT_PAY', to: 'PAID' },
      { event: 'received', from: 'PAID', to: 'PAID.WAIT_PICK' },
    ];
    const drawn = orderLifecycleMachine.mermaid(path);
    for (const line of [
      'WAIT_PAY --> PAID_none : pay* [1]',
      'PAID_none --> PAID_WAIT_PICK : received [2]',
      'class PAID_WAIT_PICK here',
    ])
      assert.ok(drawn.includes(`\n  ${line}`), line);
    assert.ok(drawn.includes('WAIT_PAY --> CANCELLED : cancel*\n'));
  });
});

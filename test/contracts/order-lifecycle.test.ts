import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { orderLifecycleMachine } from '../../src/contracts/order-lifecycle.js';

describe('the life of an order, as a table', () => {
  it('is drawn in docs/state-machine.md as it is', () => {
    const page = readFileSync(new URL('../../docs/state-machine.md', import.meta.url), 'utf8');
    const drawn = `\`\`\`mermaid\n${orderLifecycleMachine.mermaid()}\n\`\`\`\n`;
    assert.ok(page.includes(drawn), `put this into docs/state-machine.md, under "The shop's order":\n${drawn}`);
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

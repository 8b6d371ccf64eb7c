import assert from 'node:assert/strict';
import type { Books } from '../../src/contracts/shop.js';
import type { FoundState } from '../../src/kit/client/index.js';
import type { Answer } from './customers.js';
import { judge, type Evidence } from './verdict.js';

describe('the verdict of a chaos run', () => {
  const answer = (orderId: string, told: Answer['told'], reason?: string): [string, Answer] => [
    orderId,
    { orderId, told, reason, ms: 1, askedAgain: 0 },
  ];
  const books = { balanced: true, differences: [], differenceCount: 0 } as unknown as Books;
  const good: Evidence = {
    orderIds: ['1', '2', '3'],
    answers: new Map([answer('1', 'placed'), answer('2', 'undone'), answer('3', 'undone')]),
    states: new Map([
      ['1', 'committed'],
      ['2', 'compensated'],
      ['3', 'compensated'],
    ]),
    rows: new Map([
      ['1', 'placed'],
      ['2', 'cancelled'], // And of the third nothing ever happened.
    ]),
    announced: [],
    contradictions: [],
    books,
  };
  const state = (orderId: string, found: FoundState | 'none') => ({ states: new Map(good.states).set(orderId, found) });

  it('passes a run in which customers, transactions, databases and books agree', () => {
    assert.deepEqual(judge(good), []);
  });

  const cases: [what: string, change: Partial<Evidence>, problems: string[]][] = [
    ['an order that was lost', state('3', 'none'), ['order 3: lost: it has no transaction']],
    [
      'a transaction that hangs, whose customer waits',
      { ...state('2', 'compensating'), answers: new Map([answer('1', 'placed'), answer('3', 'undone')]) },
      [
        'order 2: its customer has no answer; its transaction is compensating',
        'order 2: its transaction came to no good end: compensating',
      ],
    ],
    ['a transaction that failed', state('2', 'failed'), ['order 2: its transaction came to no good end: failed']],
    [
      'a customer who was told what is not so',
      { answers: new Map(good.answers).set(...answer('1', 'undone')) },
      ['order 1: its customer was told undone, its transaction is committed'],
    ],
    [
      'a customer who was told an error that the client does not promise',
      { answers: new Map(good.answers).set(...answer('1', 'error', 'ServiceError: 13 INTERNAL')) },
      ['order 1: its customer was told ServiceError: 13 INTERNAL; it is committed'],
    ],
    [
      'an order that was undone and is in the books as placed',
      { rows: new Map(good.rows).set('2', 'placed') },
      ['order 2: its transaction is compensated, its row is placed'],
    ],
    [
      'an order that was placed and is not in the books',
      { rows: new Map([['2', 'cancelled']]) },
      ['order 1: its transaction is committed, its row is missing'],
    ],
    [
      'an order that nobody asked for',
      { rows: new Map(good.rows).set('4', 'placed') },
      ["order 4: in the orders' database (placed), never asked for"],
    ],
    [
      'books that do not balance',
      {
        books: {
          ...books,
          differences: [{ check: 'rule', subject: 'order 1', expected: '-5', found: '-10' }],
          differenceCount: 3,
        },
      },
      ['books: order 1: rule: expected -5, found -10', 'books: 2 more differences'],
    ],
    [
      'a transaction that somebody still has to go on with',
      { announced: ['3'] },
      ['order 3: its transaction is still announced'],
    ],
    [
      'a fate that is not how the workflow ended',
      { contradictions: ['order 1: its fate is committed, its workflow is compensated'] },
      ['order 1: its fate is committed, its workflow is compensated'],
    ],
    ['books that could not be proved', { books: undefined }, ['the books could not be proved']],
  ];
  for (const [what, change, problems] of cases) {
    it(`names ${what}`, () => {
      assert.deepEqual(judge({ ...good, ...change }), problems);
    });
  }

  it('lets a transaction be on the desk, if the books balance', () => {
    const answers = new Map(good.answers).set(...answer('2', 'stuck'));
    assert.deepEqual(judge({ ...good, ...state('2', 'stuck'), answers }), []);
  });
});

import assert from 'node:assert/strict';
import type { Books } from '../../src/contracts/shop.js';
import type { FoundState } from '../../src/kit/client/index.js';
import type { Answer } from './customers.js';
import { judge, type Evidence } from './verdict.js';

describe('the verdict of a chaos run', () => {
  const answer = (gid: string, told: Answer['told'], reason?: string): [string, Answer] => [
    gid,
    { gid, told, reason, ms: 1, askedAgain: 0 },
  ];
  const books = { balanced: true, differences: [], differenceCount: 0 } as unknown as Books;
  const good: Evidence = {
    asked: new Map(['order-1', 'order-2', 'order-3'].map((gid) => [gid, 'placeOrder'])),
    mix: ['placeOrder'],
    answers: new Map([answer('order-1', 'done'), answer('order-2', 'undone'), answer('order-3', 'undone')]),
    states: new Map([
      ['order-1', 'committed'],
      ['order-2', 'compensated'],
      ['order-3', 'compensated'],
    ]),
    rows: new Map([
      ['order-1', 'done'],
      ['order-2', 'undone'], // And of the third nothing ever happened.
    ]),
    announced: [],
    contradictions: [],
    leftovers: [],
    books,
  };
  const state = (gid: string, found: FoundState | 'none') => ({ states: new Map(good.states).set(gid, found) });

  it('passes a run in which customers, transactions, databases and books agree', () => {
    assert.deepEqual(judge(good), []);
  });

  const cases: [what: string, change: Partial<Evidence>, problems: string[]][] = [
    ['an order that was lost', state('order-3', 'none'), ['order-3: lost: there is no such transaction']],
    [
      'a transaction that hangs, whose customer waits',
      {
        ...state('order-2', 'compensating'),
        answers: new Map([answer('order-1', 'done'), answer('order-3', 'undone')]),
      },
      ['order-2: its customer has no answer; it is compensating', 'order-2: it came to no good end: compensating'],
    ],
    [
      'a transaction that waits for a person, though its customer was told so',
      { ...state('order-2', 'stuck'), answers: new Map(good.answers).set(...answer('order-2', 'stuck')) },
      ['order-2: it came to no good end: stuck'],
    ],
    ['a transaction that failed', state('order-2', 'failed'), ['order-2: it came to no good end: failed']],
    [
      'a customer who was told what is not so',
      { answers: new Map(good.answers).set(...answer('order-1', 'undone')) },
      ['order-1: its customer was told undone, it is committed'],
    ],
    [
      'a customer who was told an error that the client does not promise',
      { answers: new Map(good.answers).set(...answer('order-1', 'error', 'ServiceError: 13 INTERNAL')) },
      ['order-1: its customer was told ServiceError: 13 INTERNAL; it is committed'],
    ],
    [
      'an order that was undone and is in the databases as done',
      { rows: new Map(good.rows).set('order-2', 'done') },
      ['order-2: it is compensated, in the databases it is done'],
    ],
    [
      'an order that was placed and is not in the databases',
      { rows: new Map([['order-2', 'undone']]) },
      ['order-1: it is committed, in the databases it is missing'],
    ],
    [
      'an order that nobody asked for',
      { rows: new Map(good.rows).set('order-4', 'done') },
      ['order-4: in the databases (done), never asked for'],
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
    ['a transaction that somebody still has to go on with', { announced: ['order-3'] }, ['order-3: still announced']],
    [
      'a fate that is not how the workflow ended',
      { contradictions: ['order-1: its fate is committed, its workflow is compensated'] },
      ['order-1: its fate is committed, its workflow is compensated'],
    ],
    [
      'what no run may leave behind',
      { leftovers: ['bank_a: a hold is left, of transfer-1 from-1'] },
      ['bank_a: a hold is left, of transfer-1 from-1'],
    ],
    ['books that could not be proved', { books: undefined }, ['the books could not be proved']],
  ];
  for (const [what, change, problems] of cases) {
    it(`names ${what}`, () => {
      assert.deepEqual(judge({ ...good, ...change }), problems);
    });
  }

  /** So many transactions of each name; the first of them are done. */
  const mixed = (counts: Readonly<Record<string, number>>, done: number): Evidence => {
    const asked = Object.entries(counts).flatMap(([name, count]) =>
      Array.from({ length: count }, (_, index) => ({ gid: `${name}-${index}`, name, isDone: index < done })),
    );
    const of = <Value>(value: (each: (typeof asked)[number]) => Value) =>
      new Map(asked.map((each): [string, Value] => [each.gid, value(each)]));
    return {
      ...good,
      mix: ['tcc', '2pc'],
      asked: of(({ name }) => name),
      answers: new Map(asked.map(({ gid, isDone }) => answer(gid, isDone ? 'done' : 'undone'))),
      states: of(({ isDone }) => (isDone ? 'committed' : 'compensated')),
      rows: of(({ isDone }) => (isDone ? 'done' : 'undone')),
    };
  };

  it('passes a mix in which each kind of transaction has its share, and comes to something', () => {
    assert.deepEqual(judge(mixed({ tcc: 11, '2pc': 10 }, 1)), []);
  });

  it('names a kind that has not its share of the mix', () => {
    assert.deepEqual(judge(mixed({ tcc: 12, '2pc': 9 }, 1)), ['2pc: 9 of 21 transactions, at least 10 were due']);
    assert.deepEqual(judge(mixed({ tcc: 2 }, 1)), ['2pc: 0 of 2 transactions, at least 1 were due']);
  });

  it('names a kind of which nothing was ever done', () => {
    const none = 'none of 10 was committed, and none was short of time';
    assert.deepEqual(judge(mixed({ tcc: 10, '2pc': 10 }, 0)), [`tcc: ${none}`, `2pc: ${none}`]);
  });

  it('does not blame a kind for the machine, where want of time undid some of it', () => {
    const evidence = mixed({ tcc: 10, '2pc': 10 }, 0);
    const answers = new Map(evidence.answers);
    for (const gid of ['tcc-3', '2pc-9']) answers.set(...answer(gid, 'undone', 'Timeout'));
    for (const gid of ['tcc-4', '2pc-1']) answers.set(...answer(gid, 'undone', 'InsufficientFunds'));
    assert.deepEqual(judge({ ...evidence, answers }), []);
  });
});

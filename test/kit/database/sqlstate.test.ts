import assert from 'node:assert/strict';
import { Rejection, rejectionOf } from '../../../src/kit/database/index.js';
import { isConnectionLost, isDataRefused } from '../../../src/kit/database/sqlstate.js';

describe('an error of a database', () => {
  const error = (code: string, message = 'x') => Object.assign(new Error(message), { code });

  it('is a definite no for a constraint, which it names', () => {
    for (const code of ['23505', '23514', '23503', '23502', '23P01']) assert.ok(rejectionOf(error(code)), code);
    const rejection = rejectionOf(Object.assign(error('23514'), { constraint: 'positive', table: 'wallets' }));
    assert.equal(rejection?.type, 'ConstraintViolated');
    assert.equal(rejection.message, 'constraint positive of table wallets');
  });

  it('is found where a library has wrapped it, a few times', () => {
    const wrap = (cause: unknown, times: number): unknown =>
      times === 0 ? cause : wrap(Object.assign(new Error('query failed', { cause }), { code: 'P2002x' }), times - 1);
    assert.equal(rejectionOf(wrap(error('23514', 'too little'), 2))?.message, 'too little');
    assert.equal(rejectionOf(wrap(error('23514'), 20)), undefined);
    const circle = new Error('circle');
    circle.cause = circle;
    assert.equal(rejectionOf(circle), undefined);
  });

  it('is never a definite no otherwise', () => {
    for (const thrown of [
      error('40001'),
      error('57P01'),
      error('42P01'),
      error('ECONNRESET'),
      new Error('x'),
      'text',
    ]) {
      assert.equal(rejectionOf(thrown), undefined);
    }
    const no = new Rejection('No', 'no');
    assert.equal(rejectionOf(no), no);
  });

  it('tells data that the database does not take from a database that cannot be used', () => {
    for (const code of ['22P05', '22003', '23514', '54001', '57014']) assert.ok(isDataRefused(error(code)), code);
    assert.ok(isDataRefused(new Error('query failed', { cause: error('22021') })));
    for (const code of ['08006', '57P01', '53100', '40001', '42501', '25006', '3D000', 'ECONNRESET', 'EPIPE']) {
      assert.ok(!isDataRefused(error(code)), code);
    }
    assert.ok(!isDataRefused(new Error('Connection terminated')));
    const deep: unknown[] = [];
    for (let at = deep, n = 0; n < 100_000; n++) at.push((at = []));
    assert.throws(() => JSON.stringify(deep), isDataRefused);
  });

  it('tells a connection that was lost from work that failed', () => {
    for (const code of ['08006', '57P01', '57P03', '53300', 'ECONNREFUSED', 'EPIPE', 'CONNECTION_CLOSED']) {
      assert.ok(isConnectionLost(error(code)), code);
      assert.ok(isConnectionLost(new Error('query failed', { cause: error(code) })), code);
    }
    assert.ok(isConnectionLost(new Error('Connection terminated unexpectedly')));
    // The last two are limits of a transaction, which end its connection.
    for (const code of ['23505', '40001', '55P03', '57014', '25P03', '25P04'])
      assert.ok(!isConnectionLost(error(code)), code);
    assert.ok(!isConnectionLost('ECONNREFUSED'));
  });
});

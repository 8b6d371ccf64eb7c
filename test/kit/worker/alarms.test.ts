import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { ApplicationFailure, type Logger } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { AlarmNotVerified, verifyAlarm, type ReceivedAlarm } from '../../../src/kit/alarms/index.js';
import {
  alarmActivities,
  AlarmNotDelivered,
  logSink,
  webhookSink,
  type WebhookSinkOptions,
} from '../../../src/kit/worker/index.js';
import type { Alarm } from '../../../src/kit/workflow/index.js';
import { answer, drop, endless, hang, ok, Receiver } from './support/receiver.js';

const newSecret = (prefix = '') => `${prefix}${randomBytes(32).toString('base64')}`;

const stuck: Alarm = {
  id: 'stuck/order-7/pay/1767225600000',
  kind: 'stuck',
  gid: 'order-7',
  branch: 'pay',
  at: 1_767_225_600_000,
  message: 'refund of order-7 keeps failing',
  data: { attempts: 12 },
};

describe('an alarm by webhook', () => {
  const secret = newSecret('whsec_');
  const never = new AbortController().signal;
  let receiver: Receiver;
  before(async () => {
    receiver = await Receiver.open();
  });
  after(() => receiver.close());

  const sink = (options: Partial<WebhookSinkOptions> = {}) => webhookSink({ url: receiver.url, secret, ...options });
  const send = (options?: Partial<WebhookSinkOptions>, alarm = stuck) => sink(options).deliver(alarm, '/test', never);
  const failureOf = async (options?: Partial<WebhookSinkOptions>): Promise<AlarmNotDelivered> => {
    try {
      await send(options);
    } catch (error) {
      assert.ok(error instanceof AlarmNotDelivered, String(error));
      return error;
    }
    assert.fail('it was delivered');
  };
  const last = () => {
    const received = receiver.received.at(-1);
    assert.ok(received);
    return received;
  };

  it('is a CloudEvents 1.0 event in structured JSON', async () => {
    receiver.behave(ok);
    await send();
    const { headers, event, path } = last();
    assert.equal(path, '/token-of-the-sender');
    assert.equal(headers['content-type'], 'application/cloudevents+json; charset=utf-8');
    assert.deepEqual(event, {
      specversion: '1.0',
      id: stuck.id,
      source: '/test',
      type: 'backstitch.alarm.stuck',
      subject: 'order-7',
      time: '2026-01-01T00:00:00.000Z',
      datacontenttype: 'application/json',
      data: {
        kind: 'stuck',
        message: 'refund of order-7 keeps failing',
        gid: 'order-7',
        branch: 'pay',
        details: { attempts: 12 },
      },
    });
  });

  it('has no subject when it is about no transaction', async () => {
    receiver.behave(ok);
    await send({}, { id: 'drift/1', kind: 'drift', at: 0, message: 'the books differ' });
    assert.ok(!('subject' in last().event));
    await send({}, { ...stuck, gid: '' });
    assert.ok(!('subject' in last().event));
  });

  it('is signed as Standard Webhooks says, with every secret, with and without the prefix', async () => {
    receiver.behave(ok);
    const old = newSecret();
    await send({ secret: [secret, old] });
    const { headers, signedWith } = last();
    assert.ok(signedWith(secret) && signedWith(old) && !signedWith(newSecret()));
    assert.match(String(headers['webhook-signature']), /^v1,[A-Za-z0-9+/]{43}= v1,[A-Za-z0-9+/]{43}=$/);
  });

  it('has the same id at every attempt, and the time of the attempt', async () => {
    receiver.behave(answer(500), ok);
    await failureOf({ now: () => 1_767_225_600_999 });
    await send({ now: () => 1_767_229_200_000 });
    const [first, second] = receiver.received;
    assert.deepEqual(first?.event, second?.event);
    assert.equal(first?.headers['webhook-id'], second?.headers['webhook-id']);
    assert.equal(first?.headers['webhook-timestamp'], '1767225600');
    assert.equal(second?.headers['webhook-timestamp'], '1767229200');
    assert.ok(first.signedWith(secret) && second.signedWith(secret));
  });

  it('carries any id and any words: what a header cannot hold is escaped, injectively and without dots', async () => {
    receiver.behave(ok);
    const ids = ['a.b', 'a%2Eb', 'Überweisung 7\r\n', '注文-7', 'a b'];
    for (const id of ids) {
      await send({}, { ...stuck, id, gid: '注文-7', message: 'line\nand "quotes" 🧵' });
      assert.match(String(last().headers['webhook-id']), /^[!-~]+$/);
      assert.ok(!String(last().headers['webhook-id']).includes('.'));
      assert.ok(last().signedWith(secret));
      assert.equal(last().event.id, id);
    }
    assert.equal(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size, ids.length);
  });

  for (const status of [200, 201, 202, 204, 299]) {
    it(`is delivered by ${status}`, async () => {
      receiver.behave(answer(status));
      await send();
    });
  }

  for (const status of [400, 401, 403, 404, 405, 410, 413, 422]) {
    it(`is refused for good by ${status}`, async () => {
      receiver.behave(answer(status, {}, 'no\nsuch "thing"\u001b[31m'));
      const { definite, message } = await failureOf();
      assert.ok(definite);
      assert.equal(message, `${receiver.origin} answered ${status}: no such "thing" [31m`);
    });
  }

  for (const status of [408, 425, 429, 500, 502, 503, 504]) {
    it(`is to be tried again after ${status}`, async () => {
      receiver.behave(answer(status));
      const { definite, retryAfterMs } = await failureOf();
      assert.deepEqual([definite, retryAfterMs], [false, undefined]);
    });
  }

  it('tells when the receiver wants to be asked again, as seconds or as a date', async () => {
    const now = () => Date.parse('2026-01-01T00:00:00Z');
    const wishes = ['120', 'Thu, 01 Jan 2026 00:01:30 GMT', 'Wed, 31 Dec 2025 00:00:00 GMT', 'soon'];
    const understood: unknown[] = [];
    for (const wish of wishes) {
      receiver.behave(answer(429, { 'retry-after': wish }));
      understood.push((await failureOf({ now })).retryAfterMs);
    }
    assert.deepEqual(understood, [120_000, 90_000, 0, undefined]);
  });

  it('does not follow a redirect: the alarm goes nowhere else', async () => {
    receiver.behave(answer(307, { location: `${receiver.origin}/elsewhere` }), ok);
    const { definite, message } = await failureOf();
    assert.equal(definite, false);
    assert.equal(message, `${receiver.origin} answered 307: redirects are not followed`);
    assert.equal(receiver.received.length, 1);
  });

  it('is tried again when the receiver hangs, drops the connection, or is not there', async () => {
    receiver.behave(hang, drop);
    const hung = await failureOf({ timeoutMs: 100 });
    assert.deepEqual([hung.definite, hung.message], [false, `${receiver.origin} did not answer within 100 ms`]);
    const dropped = await failureOf();
    assert.equal(dropped.definite, false);
    assert.match(dropped.message, /^http:\/\/127\.0\.0\.1:\d+ cannot be reached \(.+\)$/);
    const gone = await Receiver.open();
    const { url } = gone;
    await gone.close();
    const refused = await failureOf({ url });
    assert.deepEqual([refused.definite, refused.message.includes('ECONNREFUSED')], [false, true]);
  });

  it('is delivered although the answer never ends, and a failure is told although its words never end', async () => {
    receiver.behave(endless(200), endless(500));
    await send();
    const { message } = await failureOf();
    assert.equal(message, `${receiver.origin} answered 500: ${'x'.repeat(500)}`);
  });

  it('is told in no failure with what may be secret: the path of the address, the secret', async () => {
    receiver.behave(answer(500), answer(400), drop);
    for (let n = 0; n < 3; n++) {
      const { message } = await failureOf();
      assert.ok(!message.includes('token-of-the-sender') && !message.includes(secret.slice(6, 20)), message);
    }
  });

  it('is not sent by a sink whose options cannot be used', () => {
    const base64 = (bytes: number) => randomBytes(bytes).toString('base64');
    for (const [options, message] of [
      [{ url: 'alerts' }, /^option url is not an http or https address without user and password$/],
      [{ url: 'ftp://alerts' }, /^option url/],
      [{ url: 'https://user:password@alerts' }, /^option url/],
      [{ secret: base64(23) }, /^a secret is not the base64 of 24 to 64 bytes: make one with/],
      [{ secret: base64(65) }, /^a secret/],
      [{ secret: 'not base64 at all, and longer than that' }, /^a secret/],
      [{ secret: [] }, /^option secret is empty/],
      [{ timeoutMs: 0 }, /^option timeoutMs is 0: give 1 to 30000$/],
      [{ timeoutMs: 60_000 }, /^option timeoutMs/],
    ] as const) {
      assert.throws(() => sink(options), { name: 'TypeError', message });
    }
  });

  describe('as its receiver sees it', () => {
    const received = async (): Promise<ReceivedAlarm> => {
      receiver.behave(ok);
      await send();
      const { headers, body } = last();
      return { headers, body, secret };
    };

    it('is verified, and gives the event', async () => {
      const request = await received();
      assert.equal(verifyAlarm(request).id, stuck.id);
      const asFetch = new Headers(request.headers as Record<string, string>);
      assert.equal(verifyAlarm({ ...request, headers: asFetch, body: Buffer.from(String(request.body)) }).id, stuck.id);
      assert.equal(verifyAlarm({ ...request, secret: [newSecret(), secret] }).id, stuck.id);
    });

    it("is verified as the specification's own example is", () => {
      const headers = {
        'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
        'webhook-timestamp': '1614265330',
        'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
      };
      const example = { headers, body: '{"test": 2432232314}', now: 1_614_265_330_000 };
      for (const key of ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw']) {
        assert.deepEqual(verifyAlarm({ ...example, secret: key }), { test: 2_432_232_314 });
      }
    });

    it('is not trusted when anything of it was changed, or was signed with another secret', async () => {
      const request = await received();
      const header = (name: string, value: string | undefined) => ({
        ...request,
        headers: { ...last().headers, [name]: value } as Record<string, string>,
      });
      const refused = (changed: ReceivedAlarm, message: string) => {
        assert.throws(() => verifyAlarm(changed), new AlarmNotVerified(message));
      };
      const { headers } = last();
      const [signature, id, timestamp] = ['signature', 'id', 'timestamp'].map((name) =>
        String(headers[`webhook-${name}`]),
      );
      assert.ok(signature && id && timestamp);
      refused({ ...request, body: `${String(request.body)} ` }, 'no signature matches');
      refused({ ...request, secret: newSecret() }, 'no signature matches');
      refused(header('webhook-id', 'another'), 'no signature matches');
      refused(header('webhook-timestamp', String(Number(timestamp) + 1)), 'no signature matches');
      refused(header('webhook-signature', undefined), 'no signature matches');
      refused(header('webhook-signature', signature.replace('v1,', 'v2,')), 'no signature matches');
      refused(header('webhook-signature', signature.slice(0, -8)), 'no signature matches');
      refused(header('webhook-signature', 'v1,'), 'no signature matches');
      refused(header('webhook-id', undefined), 'webhook-id is empty or has a dot');
      refused(header('webhook-id', `${id}.1`), 'webhook-id is empty or has a dot');
      refused(header('webhook-timestamp', '1e9'), 'webhook-timestamp is not a time in seconds');
      refused(header('webhook-timestamp', undefined), 'webhook-timestamp is not a time in seconds');
    });

    it('is not trusted when it is older, or newer, than is tolerated', async () => {
      const request = await received();
      const sent = Number(last().headers['webhook-timestamp']) * 1000;
      const at = (seconds: number, toleranceSeconds?: number) =>
        verifyAlarm({ ...request, now: sent + seconds * 1000, toleranceSeconds });
      assert.equal(at(300).id, stuck.id);
      assert.equal(at(-300).id, stuck.id);
      assert.throws(() => at(301), new AlarmNotVerified('it was sent 301 s ago: 300 s are tolerated'));
      assert.throws(() => at(-301), new AlarmNotVerified('it was sent 301 s in the future: 300 s are tolerated'));
      assert.throws(() => at(11, 10), AlarmNotVerified);
    });
  });
});

describe('the activities of alarms', () => {
  const lines: { level: string; message: string; meta?: unknown }[] = [];
  const at = (level: string) => (message: string, meta?: unknown) => void lines.push({ level, message, meta });
  const logger = Object.fromEntries(
    ['log', 'trace', 'debug', 'info', 'warn', 'error'].map((level) => [level, at(level)]),
  ) as unknown as Logger;
  beforeEach(() => (lines.length = 0));

  it('write alarms to the log by default, each as one line', async () => {
    const environment = new MockActivityEnvironment({}, { logger });
    const deliver = alarmActivities()['backstitch.deliverAlarm'];
    assert.equal(await environment.run(deliver, { ...stuck, message: 'two\nlines' }), 'the log');
    await logSink(logger).deliver({ id: 'd', kind: 'drift', at: 0, message: 'm' }, '', new AbortController().signal);
    const warnings = lines.filter(({ level }) => level === 'warn');
    assert.deepEqual(
      warnings.map(({ message }) => message),
      ['alarm: stuck (order-7, pay): two lines', 'alarm: drift: m'],
    );
  });

  it('say in one line that an alarm was refused, and make the failure definite', async () => {
    const environment = new MockActivityEnvironment({}, { logger });
    const refusing = {
      name: 'refusing',
      deliver: () => Promise.reject(new AlarmNotDelivered('answered 400', { definite: true })),
    };
    const { 'backstitch.deliverAlarm': deliver } = alarmActivities({ sink: refusing });
    await assert.rejects(environment.run(deliver, stuck), (error: unknown) => {
      assert.ok(error instanceof ApplicationFailure);
      assert.deepEqual([error.type, error.nonRetryable, error.message], ['AlarmRefused', true, 'answered 400']);
      return true;
    });
    assert.deepEqual(
      lines.filter(({ level }) => level === 'error').map(({ message }) => message),
      [`alarm ${stuck.id} was refused (answered 400): ${stuck.message}`],
    );
  });

  it('are not made with rules that make no sense', () => {
    for (const [rules, message] of [
      [{ rate: { most: 0, windowMs: 1 } }, 'rule rate.most is 0: give a whole number from 1 to 1000000'],
      [{ rates: { stuck: { most: 1, windowMs: 0.5 } } }, /^rule rates.stuck.windowMs is 0.5: give a whole number/],
      [{ queue: 5_000 }, 'rule queue is 5000: give a whole number from 1 to 1000'],
      [{ giveUpMs: Infinity }, /^rule giveUpMs is Infinity/],
      [{ historyEvents: 3 }, 'rule historyEvents is 3: give a whole number from 50 to 10000'],
    ] as const) {
      assert.throws(() => alarmActivities({ rules }), { name: 'TypeError', message });
    }
  });
});

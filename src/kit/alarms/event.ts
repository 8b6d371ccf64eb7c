import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Alarm } from '../workflow/alarms.js';

/**
 * An alarm on the wire: a CloudEvents 1.0 event in JSON, signed as the Standard Webhooks specification says. Both sides
 * are here: what a sender makes, and what a receiver checks.
 */

/** An alarm as a CloudEvents 1.0 event. */
export interface AlarmEvent {
  readonly specversion: '1.0';
  /** The alarm's id: the same for every attempt to deliver it. */
  readonly id: string;
  /** Which system raised it: `/backstitch/<namespace>/<task queue>`. */
  readonly source: string;
  /** `backstitch.alarm.<kind>` */
  readonly type: string;
  /** The gid; absent when it is about no transaction. */
  readonly subject?: string;
  /** When the alarm came about, as RFC 3339 says. */
  readonly time: string;
  readonly datacontenttype: 'application/json';
  readonly data: {
    readonly kind: string;
    readonly message: string;
    readonly gid?: string;
    readonly branch?: string;
    /** What the alarm says to programs. */
    readonly details?: unknown;
  };
}

/** The alarm as an event of this source. */
export function alarmEvent({ id, kind, gid, branch, at, message, data }: Alarm, source: string): AlarmEvent {
  return {
    specversion: '1.0',
    id,
    source,
    type: `backstitch.alarm.${kind}`,
    // An empty subject is not allowed.
    subject: gid === '' ? undefined : gid,
    time: new Date(at).toISOString(),
    datacontenttype: 'application/json',
    data: { kind, message, gid, branch, details: data },
  };
}

const PREFIX = 'whsec_';
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * The key that a secret stands for.
 *
 * @param secret base64 of 24 to 64 random bytes, with or without the prefix `whsec_`
 * @throws TypeError, without the secret
 */
export function secretKey(secret: string): Buffer {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret;
  const key = Buffer.from(text, 'base64');
  if (BASE64.test(text) && key.length >= 24 && key.length <= 64) return key;
  throw new TypeError('a secret is not the base64 of 24 to 64 bytes: make one with openssl rand -base64 32');
}

/** The headers that go with a body that is sent at this moment, signed with each key. */
export function signedHeaders(id: string, body: string, keys: readonly Buffer[], now: number) {
  const webhookId = headerSafe(id);
  const timestamp = String(Math.floor(now / 1000));
  const signatures = keys.map((key) => `v1,${signature(key, webhookId, timestamp, body).toString('base64')}`);
  return {
    'webhook-id': webhookId,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
  };
}

/**
 * An id as a header may have it, distinct for distinct ids: without dots, which separate the parts that are signed, and
 * without what a header cannot carry.
 */
function headerSafe(id: string): string {
  return id.replaceAll(/[^A-Za-z0-9_/:@=-]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

function signature(key: Buffer, id: string, timestamp: string, body: string | Uint8Array): Buffer {
  return createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
}

/** A request that is not to be trusted as an alarm; the message says why. */
export class AlarmNotVerified extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'AlarmNotVerified';
  }
}

/** What {@link verifyAlarm} is given. */
export interface ReceivedAlarm {
  /** The request's, as `fetch` or as Node has them. */
  readonly headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The request's body as it came: a parsed and printed one has another signature. */
  readonly body: string | Uint8Array;
  /** One of them has to match: while secrets change there are two. */
  readonly secret: string | readonly string[];
  /** How far the sender's clock may be from this one's, and how late a request may come. Default: 300 */
  readonly toleranceSeconds?: number;
  /** Milliseconds since 1970. Default: now */
  readonly now?: number;
}

/**
 * Checks that a request is an alarm of who knows the secret, and that it was sent just now. The event's `id` tells
 * repetitions: an alarm comes again when its answer was lost.
 *
 * @throws {@link AlarmNotVerified}
 */
export function verifyAlarm(received: ReceivedAlarm): AlarmEvent {
  const { headers, body, secret, toleranceSeconds = 300, now = Date.now() } = received;
  const id = header(headers, 'webhook-id');
  const timestamp = header(headers, 'webhook-timestamp');
  const signatures = header(headers, 'webhook-signature');
  if (id === '' || id.includes('.')) throw new AlarmNotVerified('webhook-id is empty or has a dot');
  if (!/^\d{1,12}$/.test(timestamp)) throw new AlarmNotVerified('webhook-timestamp is not a time in seconds');
  const age = now / 1000 - Number(timestamp);
  if (Math.abs(age) > toleranceSeconds) {
    throw new AlarmNotVerified(
      `it was sent ${Math.abs(Math.round(age))} s ${age > 0 ? 'ago' : 'in the future'}: ${toleranceSeconds} s are tolerated`,
    );
  }
  const given = signatures
    .split(' ')
    .filter((each) => each.startsWith('v1,'))
    .map((each) => Buffer.from(each.slice(3), 'base64'));
  const keys = (typeof secret === 'string' ? [secret] : secret).map(secretKey);
  const matches = keys
    .map((key) => signature(key, id, timestamp, body))
    .some((own) => given.some((each) => each.length === own.length && timingSafeEqual(each, own)));
  if (!matches) throw new AlarmNotVerified('no signature matches');
  return JSON.parse(Buffer.from(body).toString('utf8')) as AlarmEvent;
}

function header(headers: ReceivedAlarm['headers'], name: string): string {
  if (headers instanceof Headers) return headers.get(name) ?? '';
  const value = Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
  return typeof value === 'string' ? value : '';
}

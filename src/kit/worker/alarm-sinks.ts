import { Context } from '@temporalio/activity';
import type { Logger } from '@temporalio/common';
import type { Alarm } from '../workflow/alarms.js';
import { alarmEvent, secretKey, signedHeaders } from '../alarms/event.js';

/** Where alarms go. */
export interface AlarmSink {
  /** What it calls itself to operators: nothing secret. */
  readonly name: string;
  /**
   * Delivers an alarm: resolves when it has arrived. It is called again with the same alarm when it rejects with anything
   * but a definite {@link AlarmNotDelivered}, and when nobody heard that it resolved.
   *
   * @param source which system raised it, as a URI reference
   */
  deliver(alarm: Alarm, source: string, signal: AbortSignal): Promise<void>;
}

/** Why an alarm was not delivered; one line. */
export class AlarmNotDelivered extends Error {
  /** Whether trying again cannot help: the receiver does not take this alarm. */
  readonly definite: boolean;
  /** When the receiver wants to be asked again, in milliseconds from now. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: { definite?: boolean; retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'AlarmNotDelivered';
    this.definite = options.definite ?? false;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Writes each alarm as a warning of one line. `logger`: by default the worker's. */
export function logSink(logger?: Pick<Logger, 'warn'>): AlarmSink {
  return {
    name: 'the log',
    deliver(alarm) {
      const { kind, gid, branch, message } = alarm;
      const about = [gid, branch].filter(Boolean).join(', ');
      const line = `alarm: ${kind}${about === '' ? '' : ` (${about})`}: ${message}`;
      (logger ?? Context.current().log).warn(line.replaceAll(/\s*[\r\n]+\s*/g, ' '), { alarm });
      return Promise.resolve();
    },
  };
}

/** Options of {@link webhookSink}. */
export interface WebhookSinkOptions {
  /** An http or https address, without user and password: the signature says who sends. */
  readonly url: string;
  /**
   * Base64 of 24 to 64 random bytes, with or without the prefix `whsec_`. Several: each signs, so that a receiver may know
   * either while they change.
   */
  readonly secret: string | readonly string[];
  /** How long a request may take, in milliseconds, at most 30,000. Default: 15,000 */
  readonly timeoutMs?: number;
  readonly fetch?: typeof fetch;
  /** Milliseconds since 1970. Default: the clock */
  readonly now?: () => number;
}

/** What is read of an answer, in bytes. */
const ANSWER_BYTES = 500;
/** Client errors that time can mend: timed out, too early, too many. All others are a definite no. */
const PASSING: readonly number[] = [408, 425, 429];

/**
 * Posts each alarm as a CloudEvents 1.0 event in JSON, signed as the Standard Webhooks specification says: each attempt
 * with its own time, all with the same id.
 *
 * @throws TypeError for options that cannot be used
 */
export function webhookSink(options: WebhookSinkOptions): AlarmSink {
  const { timeoutMs = 15_000, now = Date.now } = options;
  const send = options.fetch ?? fetch;
  const url = URL.canParse(options.url) ? new URL(options.url) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new TypeError('option url is not an http or https address without user and password');
  }
  if (!(timeoutMs > 0 && timeoutMs <= 30_000)) throw new TypeError(`option timeoutMs is ${timeoutMs}: give 1 to 30000`);
  const keys = (typeof options.secret === 'string' ? [options.secret] : options.secret).map(secretKey);
  if (keys.length === 0) throw new TypeError('option secret is empty: give at least one');
  // A path may be a secret too: many receivers know their senders by it.
  const name = url.origin;

  return {
    name,
    async deliver(alarm, source, signal) {
      const body = JSON.stringify(alarmEvent(alarm, source));
      const headers = {
        'content-type': 'application/cloudevents+json; charset=utf-8',
        ...signedHeaders(alarm.id, body, keys, now()),
      };
      const limit = AbortSignal.timeout(timeoutMs);
      let response: Response;
      try {
        response = await send(url, {
          method: 'POST',
          headers,
          body,
          // A redirect would carry the alarm to where nobody has sent it.
          redirect: 'manual',
          signal: AbortSignal.any([signal, limit]),
        });
      } catch (error) {
        const why = limit.aborted ? `did not answer within ${timeoutMs} ms` : `cannot be reached (${reasonOf(error)})`;
        throw new AlarmNotDelivered(`${name} ${why}`, { cause: error });
      }
      const { status } = response;
      if (response.ok) {
        await discard(response);
        return;
      }
      const said = await beginningOf(response);
      const answer = `${name} answered ${status}${said === '' ? '' : `: ${said}`}`;
      if (status >= 300 && status < 400) throw new AlarmNotDelivered(`${answer}: redirects are not followed`);
      const definite = status >= 400 && status < 500 && !PASSING.includes(status);
      throw new AlarmNotDelivered(answer, { definite, retryAfterMs: retryAfter(response, now()) });
    },
  };
}

/** The beginning of what was answered, as one line, for people; the rest is not even received. */
async function beginningOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  try {
    let bytes = 0;
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= ANSWER_BYTES) break; // This cancels the rest.
    }
  } catch {
    // The status is known; its words are not needed.
  }
  const text = Buffer.concat(chunks).subarray(0, ANSWER_BYTES).toString('utf8');
  // A receiver's words go to logs and terminals: no control characters.
  return text.replaceAll(/[\p{Cc}\s]+/gu, ' ').trim();
}

async function discard(response: Response): Promise<void> {
  try {
    await response.body?.cancel();
  } catch {
    // It has arrived: what else is said does not matter.
  }
}

/** What the receiver wants, as seconds or as a date, in milliseconds from now. */
function retryAfter(response: Response, now: number): number | undefined {
  const text = response.headers.get('retry-after') ?? '';
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

/** What the system said of a connection, without what is around it. */
function reasonOf(error: unknown): string {
  let cause = error;
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
  if (!(cause instanceof Error)) return String(cause);
  return (cause as NodeJS.ErrnoException).code ?? cause.message;
}

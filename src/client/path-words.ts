import { orderServices, producers, type LookedOrder, type OrderPath, type PathStep } from '../contracts/events.js';

/** The path of a choreographed order as text, and as a picture. */

/** An order: its state, what it waits for, its path, and what of it waits for a person. */
export function describePath(orderId: string, { path, order, unknown = [], deadLetters, unread }: LookedOrder): string {
  const lines = path === null ? [`order ${orderId}: nothing was heard of it yet`] : describeHeard(path, order);
  lines.push(...unknown.map(({ topic }) => `  ?  ${topic}: another release has told that, which is not known here`));
  for (const { id, outbox, subscriber, error } of deadLetters) {
    lines.push(
      `  ✗ ${id} of ${outbox} to ${subscriber} is a dead letter: ${error}`,
      '    decide: messages resend|discard|skip',
    );
  }
  lines.push(...unread.map((line) => `  whether there are dead letters is not known of ${line}`));
  return lines.join('\n');
}

function describeHeard({ orderId, state, path, waitsFor }: OrderPath, order: LookedOrder['order']): string[] {
  const lines = [`order ${orderId}: ${states[state]}${afterwards(order)}`];
  if (waitsFor !== undefined) {
    const { who, what, since, until } = waitsFor;
    const by = until === undefined ? '' : `, until ${time(until)}`;
    lines.push(`  waits for ${who === 'customer' ? 'its customer' : who} to ${what}, since ${time(since)}${by}`);
  }
  return [...lines, ...path.map((step) => `  ${time(step.at)}  ${step.by}: ${said(step)}`)];
}

const states = {
  running: 'is being placed',
  undoing: 'is being undone',
  placed: 'was placed',
  cancelled: 'was undone: nothing of it is left but its records',
} as const satisfies Record<OrderPath['state'], string>;

/** What has become of an order since it was placed. */
function afterwards(order: LookedOrder['order']): string {
  if (order?.status === 'returned') return ', recalled, and came back';
  if (order?.status === 'lost') return ', recalled, and its parcel is lost';
  return order?.recalled ? ', and is recalled' : '';
}

/** Why an order is undone, if it is. */
export function whyUndone({ path }: OrderPath): string {
  const refused = path.find(({ refusal }) => refusal !== undefined);
  return refused?.refusal === undefined ? '' : `${refused.refusal.type}: ${refused.refusal.message}`;
}

/**
 * The path as a Mermaid sequence diagram: the services are the participants, and each event is an arrow from whoever told it to whoever
 * did something about it, which is known by the event that it told in its turn. What nobody has answered is a note. The same path is the
 * same picture, whatever order its events came in.
 */
export function mermaidOf({ path }: OrderPath): string {
  const heard = new Map(path.map((step) => [step.id, step]));
  const answered = new Set(path.flatMap(({ cause }) => (cause === null ? [] : [cause])));
  const seen = new Set<string>();
  const lines = path.flatMap((step) => {
    const { id, by, cause } = step;
    seen.add(by);
    const note = answered.has(id) ? [] : [`  Note over ${by}: ${said(step)}`];
    if (cause === null) return note;
    const before = heard.get(cause);
    const from = before?.by ?? producerOf(cause);
    seen.add(from);
    // What was answered has happened, though the projection has not heard of it yet.
    const arrow = before ? `->>${by}: ${said(before)}` : `-->>${by}: ${topicOf(cause)} (not heard of yet)`;
    return [`  ${from}${arrow}`, ...note];
  });
  const participants = orderServices.filter((service) => seen.has(service));
  return ['sequenceDiagram', ...participants.map((service) => `  participant ${service}`), ...lines].join('\n');
}

function topicOf(id: string): string {
  return id.slice(id.lastIndexOf('/') + 1);
}

function producerOf(id: string): string {
  return Object.entries(producers).find(([topic]) => topic === topicOf(id))?.[1] ?? 'orders';
}

function said({ topic, refusal }: PathStep): string {
  return refusal === undefined ? topic : `${topic} (${refusal.type})`;
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}

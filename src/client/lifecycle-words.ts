import { formatCents } from '../contracts/money.js';
import { orderLifecycleMachine } from '../contracts/order-lifecycle.js';
import { EXIT, type ExitCode } from './exit.js';
import type { FoundLifecycle } from './lifecycle.js';

/** Orders that live for weeks as text, as documents and as pictures. */

/** Events that nobody sends but the refund. */
const BY_ITSELF: readonly string[] = ['refundDone', 'refundRefused'];

/** What one line says of an order that was opened. */
export function describeOpened({ row, view }: FoundLifecycle): string {
  const { orderId, state, toPay, discount, coupon, pointsSpent } = row;
  if (state !== 'WAIT_PAY') return `order ${orderId} is ${state}`;
  const off = coupon === null ? '' : `, ${formatCents(discount)} off by coupon ${coupon}`;
  const by = view?.deadlines.find(({ name }) => name === 'unpaid');
  const until = by === undefined ? '' : ` until ${time(by.at)}`;
  return `order ${orderId} was opened: ${formatCents(toPay)} to pay${off}, ${pointsSpent} points spent; it waits for its payment${until}: order pay ${orderId}`;
}

/** An order: its state, what is legal, what is under way, its deadlines, and the path that it took. */
export function describeLifecycle({ row, view, stuck }: FoundLifecycle): string {
  const { orderId, toPay, discount, coupon, pointsSpent } = row;
  const lines = [`order ${orderId}: ${view?.state ?? row.state}`];
  const off = coupon === null ? '' : ` (${formatCents(discount)} off by coupon ${coupon})`;
  lines.push(`  ${formatCents(toPay)} to pay${off}, ${pointsSpent} points spent`);
  if (view === undefined) return [...lines, '  its machine has ended, and is not kept any more'].join('\n');
  if (view.underWay) {
    const { event, to, since } = view.underWay;
    lines.push(`  under way: ${event} to ${to}, since ${time(since)}`);
  }
  if (stuck !== undefined) lines.push(`  ✗ ${stuck} waits for a person: desk show ${stuck}`);
  lines.push(
    view.final ? '  final' : `  legal: ${view.legal.filter((event) => !BY_ITSELF.includes(event)).join(', ')}`,
  );
  lines.push(...view.deadlines.map(({ name, at, then }) => `  deadline ${name}: ${time(at)}, ${then}`));
  lines.push(
    ...view.moved.map(
      ({ name, from, to, actor, reason }) =>
        `  deadline ${name} was moved from ${time(from)} to ${time(to)} by ${actor}: ${reason}`,
    ),
  );
  lines.push(...view.transitions.map(({ event, from, to, at }) => `  ${time(at)}  ${event}: ${from} to ${to}`));
  lines.push(
    ...view.refused.map(({ event, state, at, message }) => `  ${time(at)}  refused in ${state}: ${event}: ${message}`),
  );
  return lines.join('\n');
}

/** An order as a document. */
export function lifecycleDocument({ row, view, stuck }: FoundLifecycle): object {
  const { state = row.state, ...more } = view ?? {};
  return { ...row, ...more, state, ...(stuck !== undefined && { stuck }) };
}

/** The machine's diagram with the path that the order took. */
export function drawLifecycle({ view }: FoundLifecycle): string {
  return orderLifecycleMachine.mermaid(view?.transitions);
}

/** Completed; come to nothing; under way; or a person is needed. */
export function exitOfLifecycle({ row, view, stuck }: FoundLifecycle): ExitCode {
  const state = view?.state ?? row.state;
  if (state === 'COMPLETED') return EXIT.done;
  if (state === 'CANCELLED' || state === 'REFUNDED') return EXIT.undone;
  return stuck === undefined ? EXIT.pending : EXIT.stuck;
}

export function time(ms: number): string {
  return new Date(ms).toISOString();
}

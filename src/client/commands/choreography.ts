import { msToNumber } from '@temporalio/common/lib/time.js';
import type { LookedOrder } from '../../contracts/events.js';
import { formatCents } from '../../contracts/money.js';
import { orderGid } from '../../contracts/place-order.js';
import { placeOrderChoreographedTransaction } from '../../contracts/transactions.js';
import { InvalidInput, type CallOptions } from '../../kit/client/index.js';
import { callPatiently } from '../call.js';
import { calling } from '../calling.js';
import type { Cli } from '../cli.js';
import { EXIT, NotReady, type ExitCode } from '../exit.js';
import { followOrder, lookAtOrder, payOrder, type FollowedOrder } from '../order-path.js';
import { describePath, mermaidOf, whyUndone } from '../path-words.js';
import { recallsOf } from '../recall.js';
import { requireWorker, type Session } from '../session.js';
import { describeRecalls } from '../words.js';

/** `order place --choreographed`, and what is asked of such orders. */

/** What the command line wants of the order. */
type Wanted = Pick<CallOptions, 'wait'> & { readonly payLater?: boolean };

/** Opens an order, and follows it until it is final, needs a person, or the time is over. */
export async function placeChoreographed(cli: Cli, json: string, { wait, payLater }: Wanted): Promise<ExitCode> {
  const contract = placeOrderChoreographedTransaction;
  const order = contract.parse({ ...objectOf(json), ...(payLater && { payLater }) } as never);
  const until = Date.now() + msToNumber(wait ?? '2 minutes');
  return calling(cli, contract, async (calls) => {
    await requireWorker(calls);
    const { orderId } = order;
    const gid = orderGid(orderId);
    const opened = await callPatiently(calls.output, gid, calls.transactions.of(contract), order, { wait });
    const followed = await followOrder(calls, orderId, until);
    const code = exitOfLooked(followed.looked);
    const { pointsSpent } = opened;
    calls.output.result({ gid, pointsSpent, ...documentOf(orderId, followed) }, () =>
      describeFollowed(orderId, pointsSpent, followed),
    );
    return code;
  });
}

function objectOf(json: string): object {
  const wrong = (rule: string) => new InvalidInput([{ field: '', value: json, rule }]);
  let given: unknown;
  try {
    given = JSON.parse(json);
  } catch (error) {
    throw wrong(`--order is no JSON: ${(error as Error).message}`);
  }
  if (typeof given !== 'object' || given === null) throw wrong('--order must be an object');
  return given;
}

/** What one line says of an order that was asked for just now. */
function describeFollowed(orderId: string, pointsSpent: number, { looked, failure }: FollowedOrder): string {
  const path = looked?.path;
  if (path?.state === 'placed') {
    const find = (name: 'paymentId' | 'shipmentId') =>
      path.path.find((step) => step[name] !== undefined)?.[name] ?? 'not heard of yet';
    return `order ${orderId} was placed: payment ${find('paymentId')}, shipment ${find('shipmentId')}, ${pointsSpent} points spent`;
  }
  if (path?.state === 'cancelled') return `order ${orderId} was undone: ${whyUndone(path)}`;
  if (looked !== undefined && looked.deadLetters.length > 0) return describePath(orderId, looked);
  const { waitsFor } = path ?? {};
  if (waitsFor?.who === 'customer') {
    const by = waitsFor.until === undefined ? '' : ` until ${new Date(waitsFor.until).toISOString()}`;
    return `order ${orderId} was created, its stock is reserved; it waits for its payment${by}: order pay ${orderId}`;
  }
  const then = waitsFor === undefined ? 'nothing was heard of it yet' : `${waitsFor.who} has to ${waitsFor.what}`;
  return `order ${orderId} was created, and has not ended yet (${then}): pending: ask again later${failure === undefined ? '' : ` (${failure})`}`;
}

/** Says where a choreographed order is, or draws it. */
export async function showChoreographed(session: Session, orderId: string, mermaid: boolean): Promise<ExitCode> {
  await requireWorker(session);
  const looked = await lookAtOrder(session, orderId);
  const { path } = looked;
  if (mermaid && path === null) throw new NotReady(`order ${orderId}: nothing was heard of it yet: ask again later`);
  const picture = mermaid && path !== null ? mermaidOf(path) : undefined;
  const drawn = picture === undefined ? {} : { mermaid: picture };
  // A recall is a transaction of its own, of whatever order was placed.
  const recalls = path?.state === 'placed' ? await recallsOf(session.client, orderId) : [];
  session.output.result(
    { ...documentOf(orderId, { looked }), recalls, ...drawn },
    () => picture ?? [describePath(orderId, looked), ...describeRecalls(recalls)].join('\n'),
  );
  return exitOfLooked(looked);
}

/** Makes the payment of an order that waits for it. */
export async function payChoreographed(cli: Cli, orderId: string): Promise<ExitCode> {
  const session = await cli.open();
  await requireWorker(session);
  const answer = await payOrder(session, orderId);
  session.output.result({ orderId, ...answer }, () =>
    answer.outcome === 'paid'
      ? `order ${orderId} was paid: ${formatCents(answer.amount)}, payment ${answer.paymentId}`
      : `order ${orderId} was not paid: ${answer.refusal.type}: ${answer.refusal.message}`,
  );
  return answer.outcome === 'paid' ? EXIT.done : EXIT.undone;
}

/** An order as a document: the same whoever asks for it. */
function documentOf(orderId: string, { looked, failure }: FollowedOrder): object {
  const { path, order, deadLetters = [], unread = [] } = looked ?? {};
  const known = path ?? { orderId, state: 'running', path: [] };
  const later = order?.status === 'returned' || order?.status === 'lost' ? { state: order.status } : {};
  return { ...known, ...later, deadLetters, unread, ...(failure !== undefined && { failure }) };
}

function exitOfLooked(looked: LookedOrder | undefined): ExitCode {
  if (looked?.path?.state === 'placed') return EXIT.done;
  if (looked?.path?.state === 'cancelled') return EXIT.undone;
  return (looked?.deadLetters.length ?? 0) > 0 ? EXIT.stuck : EXIT.pending;
}

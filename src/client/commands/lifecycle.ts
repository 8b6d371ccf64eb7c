import { Option } from '@commander-js/extra-typings';
import type { Duration } from '@temporalio/common';
import { msToNumber } from '@temporalio/common/lib/time.js';
import type { WorkAtWarehouse } from '../../contracts/lifecycle.js';
import { orderLifecycleMachine } from '../../contracts/order-lifecycle.js';
import { orderLifecycleContract } from '../../contracts/transactions.js';
import { IllegalTransition, InvalidInput, TransactionNotFound, TransactionPending } from '../../kit/client/index.js';
import { account } from '../account.js';
import type { Cli } from '../cli.js';
import { EXIT, NotReady, type ExitCode } from '../exit.js';
import {
  findLifecycle,
  followLifecycle,
  isLifecycle,
  lookForStuck,
  lookAtRow,
  machinesOf,
  openLifecycle,
  workAtWarehouse,
  type OrderMachines,
} from '../lifecycle.js';
import {
  describeLifecycle,
  describeOpened,
  drawLifecycle,
  exitOfLifecycle,
  lifecycleDocument,
  time,
} from '../lifecycle-words.js';
import { duration, time as timeOption } from '../options.js';
import { requireWorker, type Session } from '../session.js';

/** `order place --lifecycle`, and what moves such orders. */

type LifecycleEvent = Parameters<OrderMachines['send']>[1];
type OrderCommand = ReturnType<Cli['root']['command']>;

const ID = 'the id of the order';
const HELP = `
Exit codes: 0 done; 1 refused or undone: nothing has changed; 2 bad usage or input; 3 not ended yet, it goes on: ask again; 4 a person is needed.`;
export const requestId = () =>
  new Option(
    '--request-id <id>',
    'what makes it one event, however often it is asked for (default: asked again it is the same one)',
  );
const actor = () => new Option('--actor <name>', 'who asks; it is kept (default: the account that runs this)');
const reason = () => new Option('--reason <text>', 'why; it is kept');
const wait = () =>
  new Option('--wait <duration>', 'how long to wait; it goes on by itself').argParser(duration).default('2 minutes');

/** What is given with an event. */
interface SendOptions {
  readonly wait: Duration;
  readonly requestId?: string;
  readonly actor?: string;
  readonly reason?: string;
}

/** Opens an order, and waits until that is done. */
export async function placeLifecycle(cli: Cli, json: string, limit: Duration): Promise<ExitCode> {
  const order = orderLifecycleContract.parse(parsed(json) as never);
  const session = await cli.open();
  await requireWorker(session);
  const opened = await openLifecycle(session, order, Date.now() + msToNumber(limit));
  session.output.result({ gid: orderLifecycleContract.gid(order.orderId), ...lifecycleDocument(opened) }, () =>
    describeOpened(opened),
  );
  return EXIT.done;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch (error) {
    throw new InvalidInput([{ field: '', value: json, rule: `--order is no JSON: ${(error as Error).message}` }]);
  }
}

/** Says where an order is, or draws the way that it took. */
export async function showLifecycle(session: Session, orderId: string, mermaid: boolean): Promise<ExitCode> {
  await requireWorker(session);
  const found = await findLifecycle(session, orderId);
  const picture = mermaid ? drawLifecycle(found) : undefined;
  session.output.result({ ...lifecycleDocument(found), ...(picture !== undefined && { mermaid: picture }) }, () => {
    return picture ?? describeLifecycle(found);
  });
  return exitOfLifecycle(found);
}

/** Sends an event to an order, and says what became of it. */
export async function sendEvent(
  session: Session,
  orderId: string,
  event: LifecycleEvent,
  { wait: limit, requestId: request, actor: who = account(), reason: why }: SendOptions,
): Promise<ExitCode> {
  const gid = orderLifecycleContract.gid(orderId);
  await requireWorker(session);
  const by = { actor: who, ...(why !== undefined && { reason: why }) };
  const order = { wait: limit, by, ...(request !== undefined && { requestId: request }) };
  try {
    const answer = await machinesOf(session).send(gid, event, order);
    session.output.result({ orderId, ...answer }, () => `order ${orderId}: ${event}: ${answer.from} to ${answer.to}`);
    return EXIT.done;
  } catch (error) {
    if (error instanceof TransactionNotFound) throw await finalOf(session, orderId, event, error);
    if (event === 'refunded' && error instanceof IllegalTransition) throw await refundOf(session, gid, error);
    if (!(error instanceof TransactionPending)) throw error;
    // What it is that waits is worth a look; that the event goes on is so whatever comes of that.
    const stuck = await lookForStuck(session, orderId);
    if (stuck === undefined) throw error;
    session.output.result(
      { orderId, event, stuck },
      () => `order ${orderId}: ${stuck} waits for a person: desk show ${stuck}`,
    );
    return EXIT.stuck;
  }
}

/** What is to be said to somebody who says that an order is refunded while its refund runs: the money would go back twice. */
async function refundOf(session: Session, gid: string, error: IllegalTransition): Promise<Error> {
  const { state, running } = await machinesOf(session).view(gid);
  const refund = running.find((each) => each.startsWith(`${gid}.REFUNDING`));
  if (state === undefined || refund === undefined) return error;
  const how = `its refund ${refund} has not ended; where that waits for a person, decide there: desk show ${refund}`;
  return new IllegalTransition(gid, `${gid}: 'refunded' is illegal in ${state}: ${how}`, { state });
}

/** What is to be said of an order whose machine has ended so long ago that nothing of it is kept. */
async function finalOf(session: Session, orderId: string, event: string, error: TransactionNotFound): Promise<Error> {
  const row = await lookAtRow(session, orderId);
  if (row === null || !orderLifecycleMachine.final.includes(row.state)) return error;
  const gid = orderLifecycleContract.gid(orderId);
  const message = `${gid}: '${event}' is illegal in ${row.state}; nothing is legal, as it is final`;
  return new IllegalTransition(gid, message, row);
}

/** Opens the session for what only orders with a lifecycle can do. @throws NotReady: the order is none, nothing was started */
async function openFor(cli: Cli, orderId: string): Promise<Session> {
  const session = await cli.open();
  if (await isLifecycle(session, orderId)) return session;
  throw new NotReady(`there is no order ${orderId} with a lifecycle: nothing was started`);
}

/** What each command does, by the event that it sends. */
const commands: readonly (readonly [event: LifecycleEvent, what: string])[] = [
  ['cancel', 'cancel an order that is not paid, or is packed and has not left: what it has taken goes back'],
  ['received', 'its warehouse has it, of which the message was lost: say it in its place'],
  ['ship', 'the parcel of a packed order leaves the house'],
  ['deliver', 'the parcel of an order has arrived'],
  ['complete', 'an order is done, and its customer earns points; by itself 14 days after its parcel has left'],
  ['refund', 'give the money of an order back: of one that has left, though its goods do not come back'],
  ['refunded', 'its refund, which was refused, was seen to by hand: money, stock and coupon are where they belong'],
];

/** The commands of orders with a lifecycle that no other order has. */
export function addLifecycleCommands(cli: Cli, order: OrderCommand): void {
  for (const [event, what] of commands) {
    order
      .command(event)
      .description(`of an order with a lifecycle: ${what}`)
      .argument('<id>', ID)
      .addOption(requestId())
      .addOption(actor())
      .addOption(reason())
      .addOption(wait())
      .addHelpText('after', HELP)
      .action(cli.does(async (id, options) => sendEvent(await openFor(cli, id), id, event, options)));
  }
  for (const [step, done] of [
    ['pick', 'picked'],
    ['pack', 'packed'],
  ] as const) {
    order
      .command(step)
      .description(`of an order with a lifecycle: somebody begins to ${step} it, or with --done has done so`)
      .argument('<id>', ID)
      .option('--done', `it is ${done}`)
      .option(
        '--at-warehouse',
        'at the warehouse, whose message then moves the order; otherwise the order moves, and the warehouse is told',
      )
      .addOption(requestId())
      .addOption(actor())
      .addOption(wait())
      .addHelpText('after', HELP)
      .action(
        cli.does(async (id, { done: isDone, atWarehouse, ...options }) => {
          const session = await openFor(cli, id);
          const event = isDone ? done : step;
          if (!atWarehouse) return sendEvent(session, id, event, options);
          return work(session, { orderId: id, step: event }, options.wait);
        }),
      );
  }
  const deadline = order
    .command('deadline')
    .description('move a deadline of an order with a lifecycle')
    .argument('<id>', ID)
    .argument('<name>', `the deadline: ${orderLifecycleMachine.deadlines.map(({ name }) => name).join(', ')}`)
    .addOption(new Option('--to <time>', 'its new time').argParser(timeOption).conflicts('by'))
    .addOption(new Option('--by <duration>', 'so much later; with a minus earlier, as --by=-10m').argParser(signedMs))
    .addOption(new Option('--reason <text>', 'why; it is kept').makeOptionMandatory())
    .option('--request-id <id>', 'what makes it one order, however often it is asked for (default: each is a new one)')
    .addOption(actor())
    .addHelpText('after', HELP);
  deadline.action(
    cli.does(async (id, name, { to, by, reason: why, requestId: request, actor: who = account() }) => {
      if (to === undefined && by === undefined) return deadline.error('error: give --to TIME or --by DURATION');
      const session = await openFor(cli, id);
      await requireWorker(session);
      const when = to === undefined ? { byMs: by ?? 0 } : { to: to.getTime() };
      const moving = {
        name: name as Parameters<OrderMachines['moveDeadline']>[1]['name'],
        ...when,
        actor: who,
        reason: why,
        ...(request !== undefined && { requestId: request }),
      };
      const note = await machinesOf(session).moveDeadline(orderLifecycleContract.gid(id), moving);
      session.output.result(
        { orderId: id, ...note },
        () => `order ${id}: deadline ${name} was moved to ${time(note.to)}`,
      );
      return EXIT.done;
    }),
  );
}

/** Somebody of the warehouse does a step; the order follows by the warehouse's message. */
async function work(session: Session, step: WorkAtWarehouse, limit: Duration): Promise<ExitCode> {
  const { orderId } = step;
  await requireWorker(session);
  await workAtWarehouse(session, step);
  const hasHeard = (state?: string) =>
    state !== undefined && (!WAY.includes(state) || WAY.indexOf(state) >= WAY.indexOf(LEADS_TO[step.step]));
  const state = await followLifecycle(session, orderId, hasHeard, Date.now() + msToNumber(limit));
  const how = hasHeard(state) ? 'the order' : 'the order has not heard of it yet: it';
  session.output.result(
    { orderId, step: step.step, state },
    () => `order ${orderId}: the warehouse has done '${step.step}', and ${how} is ${state ?? 'not begun'}`,
  );
  return hasHeard(state) ? EXIT.done : EXIT.pending;
}

/** The way of an order through the warehouse, and to where each step leads: what is no longer on it is past them all. */
const WAY = [
  ...(['WAIT_PAY', 'PAID', 'PAID.WAIT_PICK', 'PAID.PICKING'] as const),
  ...(['PAID.WAIT_PACK', 'PAID.PACKING', 'WAIT_DELIVER'] as const),
] as readonly string[];
const LEADS_TO: Readonly<Record<WorkAtWarehouse['step'], string>> = {
  pick: 'PAID.PICKING',
  picked: 'PAID.WAIT_PACK',
  pack: 'PAID.PACKING',
  packed: 'WAIT_DELIVER',
};

function signedMs(text: string): number {
  const ms = msToNumber(duration(text.replace(/^-/, '')));
  return text.startsWith('-') ? -ms : ms;
}

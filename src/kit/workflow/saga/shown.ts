import { upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import { TX_BRANCH, TX_SCHEME, TX_STATE, TX_STUCK_SINCE } from '../attributes.js';
import type { Scheme, TransactionState } from '../branch.js';
import type { DeskCase } from '../desk.js';

/**
 * What the server's list says of a transaction. A change is one event; which branches are
 * stuck belongs to it. What the status of its run says is not written: that it is running, and that it is committed, unless
 * another state was written before.
 */
export class ShownState {
  /** Nothing, while the status says it. */
  #shown = workflowInfo().typedSearchAttributes.get(TX_STATE);

  readonly #scheme: Scheme;

  constructor(scheme: Scheme) {
    this.#scheme = scheme;
    // Where the attributes are not registered the first task fails, and not the one that begins the undo.
    if (workflowInfo().typedSearchAttributes.get(TX_SCHEME) === undefined) this.show('running', []);
  }

  /** @param cases what waits for a person, the oldest first */
  show(state: TransactionState, cases: readonly DeskCase[]): void {
    const scheme = workflowInfo().typedSearchAttributes.get(TX_SCHEME);
    const isPlain = this.#shown === undefined && (state === 'running' || state === 'committed');
    if (isPlain && scheme !== undefined) return;
    const stuck = state === 'stuck' ? cases : [];
    const branches = stuck.map(({ branch }) => branch);
    const shows = [state, ...branches].join('\n');
    if (shows === this.#shown) return;
    const wasStuck = this.#shown?.startsWith('stuck') === true;
    this.#shown = shows;
    const [oldest] = stuck;
    upsertSearchAttributes([
      ...(scheme === undefined ? [{ key: TX_SCHEME, value: this.#scheme }] : []),
      { key: TX_STATE, value: state },
      ...(oldest !== undefined ? [{ key: TX_STUCK_SINCE, value: new Date(oldest.since) }] : []),
      ...(oldest !== undefined ? [{ key: TX_BRANCH, value: branches }] : []),
      ...(oldest === undefined && wasStuck ? [{ key: TX_STUCK_SINCE, value: null }] : []),
      ...(oldest === undefined && wasStuck ? [{ key: TX_BRANCH, value: null }] : []),
    ]);
  }
}

/** Shows a transaction that ends before anything has happened. */
export function showRefused(scheme: Scheme): void {
  upsertSearchAttributes([
    { key: TX_SCHEME, value: scheme },
    { key: TX_STATE, value: 'compensated' },
  ]);
}

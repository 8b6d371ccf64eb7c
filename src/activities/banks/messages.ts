import { BOOK_BOUGHT, purchaseSides } from '../../contracts/bookstore.js';
import {
  bankNames,
  messageOfCreditSchema,
  sendSchema,
  type BankName,
  type MessageOfCredit,
  type Send,
} from '../../contracts/transfer.js';
import {
  createInbox,
  createOutbox,
  inboxSink,
  type Database,
  type Guard,
  type Message,
  type NewMessage,
  type Outbox,
  type Sink,
  type Sql,
} from '../../kit/database/index.js';
import type { Forward } from '../../kit/workflow/participant.js';
import { validInput } from '../input.js';
import { refusal, type FoundAccount } from './refusal.js';
import { CREDIT, DEBIT } from './sql.js';

/**
 * Money that is sent by messages: a bank debits an account and adds, in the same transaction, a message for each account that is to be
 * credited; its relay delivers them to the others' inboxes, and each credits its account in the transaction in which it notes the message.
 *
 * A credit that is refused (the account is closed) becomes a dead letter, and waits for a person: nothing is given back by a program.
 */

/** What a bank is told: to credit one of its accounts. */
const topicOf = (bank: BankName) => `transfer.credit.${bank}`;

/** A bank's outbox: each bank gets what is for it, and both sides of a purchase are told of each. */
export function bankOutbox(name: BankName): Outbox {
  const banks = bankNames.map((bank) => [bank, [topicOf(bank)]] as const);
  const sides = purchaseSides.map((side) => [side, [BOOK_BOUGHT]] as const);
  return createOutbox({ name, subscribers: Object.fromEntries([...banks, ...sides]) });
}

/** What a bank does about messages that it sends. */
export function createSending({ name, guard }: { name: BankName; guard: Guard }) {
  const outbox = bankOutbox(name);
  /** Debits an account, and tells the others' banks to credit theirs. Rejections as of `debit`. */
  const send = {
    action: (operation, input) =>
      guard.apply(operation, input, async (sql) => {
        const { account, amount, to } = validInput(sendSchema, input);
        const { gid, branch } = operation;
        const [found] = await sql<FoundAccount & { done: boolean }>(DEBIT, [gid, branch, account, amount]);
        if (found?.done !== true) throw refusal({ name, gid, account, amount, kind: 'debit' }, found);
        const messages = to.map(({ bank, ...credit }, index): NewMessage => {
          const leg = `to-${index + 1}`;
          const payload: MessageOfCredit = { gid, branch: leg, ...credit };
          return { id: `${gid}/${leg}`, topic: topicOf(bank), key: credit.account, payload };
        });
        await outbox.addAll(sql, messages);
        return { debited: amount };
      }),
  } satisfies Forward<Send, { debited: number }>;
  return { send };
}

/** Where messages for a bank go: into its inbox, in the order of each account. */
export function bankSink(name: BankName, database: Database): Sink {
  const inbox = createInbox({ database, consumer: 'transfers' });
  const credit = async (sql: Sql, message: Message) => {
    const { gid, branch, account, amount } = validInput(messageOfCreditSchema, message.payload);
    const [found] = await sql<FoundAccount & { done: boolean }>(CREDIT, [gid, branch, account, amount]);
    if (found?.done !== true) throw refusal({ name, gid, account, amount, kind: 'credit' }, found);
  };
  return inboxSink({ inbox, handlers: { [topicOf(name)]: credit } });
}

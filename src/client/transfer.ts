import { legSchema, type AccountState, type Leg, type OfAccount, type Transfer } from '../contracts/transfer.js';
import { InvalidInput, parserOf, type InputIssue } from '../kit/client/index.js';
import { askBanks } from './banks.js';
import { NotReady } from './exit.js';
import type { Session } from './session.js';

/** Transfers as the command line takes them, and what is looked at before one is started. */

const LEG = /^(?<bank>[^:]+):(?<account>[^:]+)(?::(?<amount>[^:]+))?$/;

const parseLeg = parserOf(legSchema);

/**
 * Cents as somebody writes them: plain decimal digits, that are the number which they become. Anything else stays as it is, and is
 * refused by whoever knows what it is for.
 */
export function centsOf(text: string): number | string {
  return /^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : text;
}

/** The two sides of a transfer, as options give them. */
export interface GivenLegs {
  /** `BANK:ACCOUNT:AMOUNT` */
  readonly from: readonly string[];
  /** The same; a single one gets the sum if it names no amount. */
  readonly to: readonly string[];
}

/** @throws {@link InvalidInput}: a line for each of them that is wrong, with the option and its text */
export function legsOf({ from, to }: GivenLegs): Pick<Transfer, 'from' | 'to'> {
  const issues: InputIssue[] = [];
  const side = (option: string, texts: readonly string[], otherwise?: number): Leg[] =>
    texts.flatMap((text) => {
      try {
        return legOf(text, otherwise);
      } catch (error) {
        if (!(error instanceof InvalidInput)) throw error;
        issues.push(
          ...error.issues.map(({ field, rule }) => ({ field: option, value: text, rule: `${field} ${rule}`.trim() })),
        );
        return [];
      }
    });
  const sources = side('--from', from);
  // Where a source is wrong it is not known what a single target gets, which is not its fault.
  const sum = issues.length > 0 ? 1 : sources.reduce((all, { amount }) => all + amount, 0);
  const targets = side('--to', to, to.length === 1 ? sum : undefined);
  if (issues.length > 0) throw new InvalidInput(issues);
  return { from: sources, to: targets };
}

/** @param otherwise cents where the text names none */
function legOf(text: string, otherwise: number | undefined): Leg {
  const { bank, account, amount } = LEG.exec(text)?.groups ?? {};
  const rule = (what: string) => new InvalidInput([{ field: '', value: text, rule: what }]);
  if (bank === undefined || account === undefined) {
    throw rule('must be BANK:ACCOUNT:AMOUNT, the amount in cents, such as bank_a:alice:3000');
  }
  if (amount === undefined && otherwise === undefined) {
    throw rule('must name an amount, as bank_a:alice:3000 does: only a single --to gets the sum without one');
  }
  const cents = amount === undefined ? otherwise : centsOf(amount);
  return parseLeg({ bank, account, amount: cents } as Leg);
}

/**
 * Looks whether every account is there: a transfer that would be refused for that needs no start.
 *
 * @throws {@link InvalidInput}: a line for each account that is not; {@link NotReady} where a bank's database cannot be asked
 */
export async function requireAccounts(session: Session, { from, to }: Pick<Transfer, 'from' | 'to'>): Promise<void> {
  const legs = Object.entries({ from, to }).flatMap(([side, list]) => list.map((leg) => ({ side, ...leg })));
  const accounts = legs.map(({ bank, account }): OfAccount => ({ bank, account }));
  const states = await askBanks<(AccountState | null)[]>(session, 'accountStates', accounts).catch((error: unknown) => {
    throw error instanceof NotReady ? new NotReady(`${error.message}: nothing was started`, error) : error;
  });
  const issues = legs
    .filter((_, index) => states[index] === null)
    .map(({ side, bank, account }): InputIssue => {
      return {
        field: `--${side}`,
        value: `${bank}:${account}`,
        rule: `${bank} has no such account: nothing was started`,
      };
    });
  if (issues.length > 0) throw new InvalidInput(issues);
}

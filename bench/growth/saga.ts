/**
 * The saga whose cost is measured as work grows: so many steps, each takes an amount from an account, in one of three
 * databases after the other. Pure: workflows use it.
 */

/** The databases that the steps are spread over; each is a participant of that name. */
export const services = ['orders', 'payments', 'inventory'] as const;
export type Service = (typeof services)[number];

/** A saga, as every lane is asked for it. */
export interface GrowthOrder {
  /** Its gid. */
  readonly saga: string;
  readonly steps: number;
  /** The account, in each of the databases. */
  readonly account: string;
  readonly amount: number;
  /** Whether the last step is refused, so that all others are undone. */
  readonly undone: boolean;
}

/** What a step is asked for. */
export interface Take {
  readonly saga: string;
  readonly step: string;
  readonly account: string;
  readonly amount: number;
}

/** An account that never has anything: whoever takes from it is refused. */
export const NOTHING = 'nothing';
/** The type of that refusal. */
export const REFUSED = 'TooLittle';

/** The steps of a saga, in order. */
export function stepsOf({ saga, steps, account, amount, undone }: GrowthOrder): { service: Service; take: Take }[] {
  return Array.from({ length: steps }, (_, index) => {
    const refused = undone && index === steps - 1;
    const service = services[index % services.length] ?? services[0];
    return { service, take: { saga, step: `step-${index + 1}`, account: refused ? NOTHING : account, amount } };
  });
}

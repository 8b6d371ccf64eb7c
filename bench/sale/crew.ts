import { fork } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bought, Buying } from './buyers-program.js';

/** Processes that buy. */
export interface Crew {
  readonly pids: readonly number[];
  /** Each buys its share, all at the same time. @throws if one of them ends */
  buy(shares: readonly Buying[]): Promise<Bought[]>;
  end(): Promise<void>;
}

/** @param urls of the databases `inventory` and `orders` @param connections of each process to each of them */
export async function startCrew(
  processes: number,
  urls: { readonly inventory: string; readonly orders: string },
  connections: number,
  stripes: number,
): Promise<Crew> {
  const file = fileURLToPath(new URL(`./buyers-program${extname(import.meta.url)}`, import.meta.url));
  const env = { ...process.env, DATABASE_URL_INVENTORY: urls.inventory, DATABASE_URL_ORDERS: urls.orders };
  const children = Array.from({ length: processes }, () => {
    const child = fork(file, [String(connections), String(stripes)], { env });
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill);
    const exited = once(child, 'exit').then(() => process.off('exit', kill));
    const lost = exited.then(() => Promise.reject(new Error('a process that buys has ended')));
    lost.catch(() => undefined); // Told to whoever waits for its answer.
    const answer = async () => {
      const [message] = (await Promise.race([once(child, 'message'), lost])) as [unknown];
      return message;
    };
    return { child, exited, answer };
  });
  await Promise.all(children.map(({ answer }) => answer()));
  return {
    pids: children.flatMap(({ child }) => child.pid ?? []),
    buy: (shares) =>
      Promise.all(
        children.map(async ({ child, answer }, place) => {
          const answered = answer();
          child.send(shares[place] ?? {});
          return (await answered) as Bought;
        }),
      ),
    async end() {
      for (const { child } of children) child.disconnect();
      await Promise.all(children.map(({ exited }) => exited));
    },
  };
}

import { formatCents } from '../../contracts/money.js';
import type { Cli } from '../cli.js';
import { EXIT } from '../exit.js';
import { integer } from '../options.js';
import { readOrders } from '../orders-file.js';
import { requireWorker } from '../session.js';
import { openShop } from '../shop.js';

const amount = integer(0, 2_000_000_000);

/** `shop open`. */
export function addShopCommands(cli: Cli): void {
  const shop = cli.root.command('shop').description("open the shop's business: customers, wallets, stock");

  shop
    .command('open')
    .description('give every customer of a file of orders a wallet and points, and the shop its stock')
    .addHelpText('after', '\nOpening again adds only what is missing.')
    .requiredOption('--file <path>', 'a CSV file of orders')
    .option('--wallet <cents>', 'what each wallet starts with', amount, 10_000)
    .option('--points <n>', 'what each customer starts with', amount, 1_000)
    .option('--coupon <cents>', "what each customer's coupon takes off an order; 0: nobody gets one", amount, 0)
    .option('--stock <units>', 'units delivered to the shop in all (default: all that the file orders)', amount)
    .option('--sku <sku>', 'what is delivered', 'cd')
    .action(
      cli.does(async ({ file, wallet, points, coupon, stock, sku }) => {
        const orders = await readOrders(file);
        const customers = [...new Set(orders.map((order) => order.customerId))];
        const units = stock ?? orders.reduce((sum, order) => sum + order.units, 0);
        const session = await cli.open();
        await requireWorker(session);
        const bar = session.output.progress(customers.length, 'customers');
        await openShop(
          session.client,
          session.settings,
          { customers, walletCents: wallet, points, couponCents: coupon, sku, units },
          bar.step,
        ).finally(bar.stop);
        session.output.result(
          {
            customers: customers.length,
            walletCents: wallet,
            points,
            ...(coupon > 0 && { couponCents: coupon }),
            sku,
            units,
          },
          () =>
            `the shop is open: ${customers.length} customers with ${formatCents(wallet)} and ${points} points each${coupon > 0 ? `, and a coupon of ${formatCents(coupon)}` : ''}, ${units} ${sku} in stock`,
        );
        return EXIT.done;
      }),
    );
}

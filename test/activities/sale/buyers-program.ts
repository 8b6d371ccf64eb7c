/**
 * Buyers at a sale in a process of their own: `buyers-program.ts SALE FROM COUNT [FAULT]`, with the databases' URLs in the environment. All buy at the
 * same moment, when they are told to. Prints each answer as a line; a fault may kill it in between.
 */
import { once } from 'node:events';
import { openShopSale } from '../../../src/sale.js';

const [sale = '', from = '', count = ''] = process.argv.slice(2);
const buyer = openShopSale();
console.log('ready');
await once(process, 'message');
await Promise.all(
  Array.from({ length: Number(count) }, async (_, n) => {
    const id = `${sale}-${Number(from) + n}`;
    const answer = await buyer.buy({ id, sale, customerId: `c-${id}`, units: 1 }, { withinMs: 20_000 });
    console.log(`${id} ${answer.answer === 'refused' ? answer.why : answer.answer}`);
  }),
);
await buyer.close();
process.disconnect();

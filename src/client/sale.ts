import type { SaleBuyer } from '../contracts/sale.js';

/**
 * Makes this process buy at flash sales: it connects to two services' databases, and to no Temporal server. That is loaded here and only
 * when it is asked for, as in `direct.ts`.
 *
 * @throws ConfigError: one line
 */
export async function openSaleBuyer(): Promise<SaleBuyer> {
  const { openShopSale } = await import('../sale.js');
  return openShopSale();
}

import { setTimeout as delay } from 'node:timers/promises';
import type { Proxy } from './proxy.js';

/** What can be done to connections: what each means is said in `FaultKind`. */
export const proxyFaults = ['cut', 'cut-answers', 'stall', 'lose-requests', 'lose-answers'] as const;
export type ProxyFault = (typeof proxyFaults)[number];

export function isProxyFault(kind: string): kind is ProxyFault {
  return (proxyFaults as readonly string[]).includes(kind);
}

/** Does it; resolves when it is over. @param ms how long it lasts, in milliseconds, where it takes time */
export async function applyToProxy(proxy: Proxy, kind: ProxyFault, ms: number): Promise<void> {
  switch (kind) {
    case 'cut':
      proxy.cut();
      return;
    case 'cut-answers':
      proxy.cutAnswers();
      return;
    case 'stall': {
      const release = proxy.hold('requests', 'answers');
      await delay(ms);
      release();
      return;
    }
    case 'lose-requests':
    case 'lose-answers': {
      const release = proxy.hold(kind === 'lose-requests' ? 'requests' : 'answers');
      await delay(ms / 2);
      const accept = proxy.refuse();
      release();
      await delay(ms / 2);
      accept();
    }
  }
}

import {
  defaultGrpcRetryOptions,
  makeGrpcRetryInterceptor,
  type ConnectionOptions,
  type isRetryableError,
} from '@temporalio/client';
import { BY_CALLER } from './server.js';

type Interceptor = NonNullable<ConnectionOptions['interceptors']>[number];
type Call = ReturnType<Interceptor>;
type Status = Parameters<typeof isRetryableError>[0];

/** gRPC: cancelled. */
const CANCELLED = 1;

/**
 * The SDK's retries of calls, for `Connection.connect({ address, interceptors: retries })`. By its own, a call that waits to be tried
 * again when the connection is closed throws out of a timer, where nobody can catch it, and ends the process: calls are left behind
 * wherever somebody waits for something no longer. By these such a call ends as one that its caller has cancelled.
 */
export const retries: Interceptor[] = [
  (options, nextCall) => {
    let isFirst = true;
    return tryAgain(options, (again) => {
      if (isFirst) {
        isFirst = false;
        return nextCall(again);
      }
      try {
        return nextCall(again);
      } catch (error) {
        return ended(error);
      }
    });
  },
];

const tryAgain = makeGrpcRetryInterceptor(defaultGrpcRetryOptions());

/** What the SDK's retry asks of a call, of one that cannot be made any more. */
function ended(error: unknown): Call {
  const nothing = () => undefined;
  const call: Pick<Call, 'start' | 'sendMessage' | 'halfClose'> = {
    start(metadata, listener) {
      const why = error instanceof Error ? error.message : String(error);
      // What was sent may have a key, and is nobody's to log.
      const none = new (metadata.constructor as new () => typeof metadata)();
      const status: unknown = { code: CANCELLED, details: `${BY_CALLER}: ${why}`, metadata: none };
      process.nextTick(() => listener?.onReceiveStatus?.(status as Status));
    },
    sendMessage: nothing,
    halfClose: nothing,
  };
  return call as Call;
}

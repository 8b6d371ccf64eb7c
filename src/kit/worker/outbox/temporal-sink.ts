import { type Client, isGrpcServiceError, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { explained } from '../../client/server.js';
import { ServerNotPrepared, ServerUnavailable } from '../../client/errors.js';
import type { Message } from '../../messages/message.js';
import { Poison, SinkUnavailable, type Sink } from '../../messages/sink.js';

/** What a message does at Temporal: it starts a workflow of its own, or is a signal to one. The workflow gets the whole message. */
export interface TemporalTarget {
  /** The workflow's type. */
  readonly workflow: string;
  /**
   * The signal by which it gets the message, begun if it does not run; absent: each message starts a workflow of its own, once, as its
   * id is the message's. A signal may come twice: who handles it asks `firstTime` of `backstitch/workflow`.
   */
  readonly signal?: string;
  /** The workflow's id. Default: of the message's source and id; with a signal of its source, topic and key. */
  readonly workflowId?: (message: Message) => string;
  /** Default: that of the sink. */
  readonly taskQueue?: string;
}

/** Options of {@link temporalSink}. */
export interface TemporalSinkOptions {
  readonly client: Client;
  readonly taskQueue: string;
  /** What each topic does; `'*'`: those that are not named. A topic that does nothing is a dead letter. */
  readonly topics: Readonly<Record<string, TemporalTarget>>;
}

/** How long the server may take for one call, in milliseconds. */
const CALL_MS = 10_000;

/** A sink that starts or signals workflows. */
export function temporalSink({ client, taskQueue: queue, topics }: TemporalSinkOptions): Sink {
  return {
    async deliver(message) {
      const target = topics[message.topic] ?? topics['*'];
      if (target === undefined) {
        throw new Poison(`no workflow takes the topic '${message.topic}': name one among the sink's topics`);
      }
      const { workflow, signal, workflowId = signal === undefined ? ownId : sharedId, taskQueue = queue } = target;
      const options = { workflowId: workflowId(message), taskQueue, args: [message] };
      try {
        await client.withDeadline(Date.now() + CALL_MS, async () => {
          if (signal === undefined) {
            // Whether it still runs or has ended in whatever way: it was started for this message.
            await client.workflow.start(workflow, { ...options, workflowIdReusePolicy: 'REJECT_DUPLICATE' });
          } else {
            await client.workflow.signalWithStart(workflow, { ...options, args: [], signal, signalArgs: [message] });
          }
        });
      } catch (error) {
        if (error instanceof WorkflowExecutionAlreadyStartedError) return;
        const why = explained(client, error);
        if (why instanceof ServerUnavailable || why instanceof ServerNotPrepared || isGrpcServiceError(error)) {
          throw new SinkUnavailable(why instanceof Error ? why.message : String(why), { cause: error });
        }
        throw error;
      }
    },
  };
}

function ownId({ source, id }: Message): string {
  return `message-${source}-${id}`;
}

function sharedId({ source, topic, key }: Message): string {
  return `messages-${source}-${topic}${key === undefined ? '' : `-${key}`}`;
}

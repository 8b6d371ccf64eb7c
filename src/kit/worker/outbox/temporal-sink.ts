import { type Client, isGrpcServiceError, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { explained, isOutOfTime } from '../../client/server.js';
import { ServerNotPrepared, ServerUnavailable } from '../../client/errors.js';
import type { Message } from '../../messages/message.js';
import { NotYet, Poison, SinkUnavailable, type Sink } from '../../messages/sink.js';
import { signalMachine } from './signal-machine.js';

/** What a message does at Temporal: it starts a workflow of its own, or is a signal to one. The workflow gets the whole message. */
export interface TemporalTarget {
  /** The workflow's type. */
  readonly workflow: string;
  /**
   * The signal by which it gets the message, begun if it does not run; absent: each message starts a workflow of its own, once, as its
   * id is the message's. A signal may come twice: who handles it asks `firstTime` of `backstitch/workflow`. The second one
   * may come when the workflow has ended, and begins it again: one that ends looks elsewhere what it has done, such as in its database.
   */
  readonly signal?: string;
  /**
   * With a signal: the workflow is one of `machineWorkflow`. A message never begins it, as a run that it begins knows nothing of what was moved,
   * had come or was under way in the run before: one whose newest run was ended from outside is started again with all that, and gets the message
   * then; one that has ended drops it. One that has never begun, or of which the server keeps nothing any more, makes a dead letter of it in
   * the end. Default: false
   */
  readonly machine?: boolean;
  /** The workflow's id. Default: of the message's source, topic and id, and the workflow; with a signal the key instead of the id. */
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
/** gRPC: deadline exceeded, resource exhausted, unavailable. */
const OVERLOADED: readonly number[] = [4, 8, 14];

/** A sink that starts or signals workflows. */
export function temporalSink({ client, taskQueue: queue, topics }: TemporalSinkOptions): Sink {
  return {
    async deliver(message) {
      const target = topics[message.topic] ?? topics['*'];
      if (target === undefined) {
        throw new Poison(`no workflow takes the topic '${message.topic}': name one among the sink's topics`);
      }
      const { workflow, signal, workflowId, machine = false, taskQueue = queue } = target;
      const idFor = workflowId ?? ((of: Message) => (signal === undefined ? ownId : sharedId)(workflow, of));
      const options = { workflowId: idFor(message), taskQueue, args: [message] };
      const until = Date.now() + CALL_MS;
      try {
        await client.withDeadline(until, async () => {
          if (signal === undefined) {
            // Whether it still runs or has ended in whatever way: it was started for this message.
            await client.workflow.start(workflow, { ...options, workflowIdReusePolicy: 'REJECT_DUPLICATE' });
          } else if (machine) {
            await signalMachine(client, options.workflowId, signal, message);
          } else {
            await client.workflow.signalWithStart(workflow, { ...options, args: [], signal, signalArgs: [message] });
          }
        });
      } catch (error) {
        if (error instanceof WorkflowExecutionAlreadyStartedError) return;
        // One machine takes long to be started again, such as one with a long history: the others get theirs.
        if (error instanceof NotYet && isOutOfTime(error.cause, until)) throw error;
        const why = explained(client, error);
        if (why instanceof ServerUnavailable || why instanceof ServerNotPrepared || isOverloaded(error)) {
          throw new SinkUnavailable(why instanceof Error ? why.message : String(why), { cause: error });
        }
        throw error;
      }
    },
  };
}

/** The server has not answered in time, or takes nothing now: no message is to blame. */
function isOverloaded(error: unknown): boolean {
  if (isGrpcServiceError(error)) return OVERLOADED.includes(error.code);
  return error instanceof Error && isOverloaded(error.cause);
}

/** Parts that are joined so that no two lists of them come to the same. */
const idOf = (...parts: readonly string[]) => parts.map(encodeURIComponent).join('/');

/** Another workflow that gets the same message has another id, as has a message of another topic that was given the same id. */
function ownId(workflow: string, { source, topic, id }: Message): string {
  return idOf('message', source, topic, workflow, id);
}

function sharedId(workflow: string, { source, topic, key }: Message): string {
  return idOf('messages', source, topic, workflow, ...(key === undefined ? [] : [key]));
}

import type { Message } from '../messages/message.js';
import { HeldUp, SinkUnavailable, type Delivered, type Sink } from '../messages/sink.js';
import { asError } from './link.js';

/** What becomes of messages, all at once where the sink can, and one after the other where not. */
export async function deliverTo(sink: Sink, messages: readonly Message[], signal: AbortSignal): Promise<Delivered[]> {
  const [first] = messages;
  if (first === undefined) return [];
  if (messages.length > 1 && sink.deliverAll !== undefined) {
    try {
      const became = await sink.deliverAll(messages, signal);
      if (became.length === messages.length) return [...became];
    } catch (error) {
      if (error instanceof SinkUnavailable) return messages.map(() => error);
    }
  }
  const became: Delivered[] = [];
  const failed = new Set<string>();
  for (const message of messages) {
    const { key } = message;
    const error =
      key !== undefined && failed.has(key)
        ? new HeldUp()
        : await sink.deliver(message, signal).then(() => undefined, asError);
    if (error !== undefined && key !== undefined) failed.add(key);
    became.push(error);
  }
  return became;
}

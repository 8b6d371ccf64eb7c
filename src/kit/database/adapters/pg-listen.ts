import type { Listening } from '../sql.js';
import type { PgClient } from './pg-pool.js';

/** A sign of life is asked for so often, in milliseconds, and has to come in that time: a network that goes silent tells nobody. */
const ALIVE_MS = 15_000;

/** Listens on a connection, which is given up afterwards: nobody else shall hear what this one listened to. */
export async function listenOn(
  client: PgClient,
  channel: string,
  onNotify: (payload: string) => void,
): Promise<Listening> {
  if (!/^[a-z_]{1,60}$/.test(channel)) throw new TypeError(`'${channel}' is no channel: give 1 to 60 of a-z and _`);
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    let isOver = false;
    end = () => {
      if (isOver) return;
      isOver = true;
      clearInterval(alive);
      client.release(true);
      resolve();
    };
  });
  let isAnswered = true;
  const alive = setInterval(() => {
    if (!isAnswered) {
      end();
      return;
    }
    isAnswered = false;
    client.query({ text: 'select 1' }).then(() => {
      isAnswered = true;
    }, end);
  }, ALIVE_MS);
  client.on('error', end);
  client.on('end', end);
  client.on('notification', (message) => {
    if (message.channel === channel) onNotify(message.payload ?? '');
  });
  try {
    await client.query({ text: `listen ${channel}` });
  } catch (error) {
    end();
    throw error;
  }
  return {
    ended,
    close() {
      end();
      return Promise.resolve();
    },
  };
}

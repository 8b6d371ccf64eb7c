import assert from 'node:assert/strict';
import { connect } from 'amqplib';
import { declareRabbit } from '../../../src/kit/rabbitmq/index.js';
import { queueArguments } from '../../../src/kit/rabbitmq/topology.js';
import { message } from '../database/inbox/support.js';
import { Rabbit } from './support/rabbit.js';

/** More than the limit that a broker has by itself from 4.0 on. */
const MANY = 25;

describe('a quorum queue that is made for messages', function () {
  this.timeout(120_000);
  const rabbit = new Rabbit();

  it('has no limit of deliveries, as the version of its broker says that', () => {
    const none = { 'x-queue-type': 'quorum' };
    const unlimited = { ...none, 'x-delivery-limit': -1 };
    for (const version of ['3.8.2', '3.10.8', '3.13.7']) assert.deepEqual(queueArguments('quorum', version), none);
    for (const version of ['4.0.0', '4.1.0-rc.1', '10.0', 'unknown'])
      assert.deepEqual(queueArguments('quorum', version), unlimited);
    for (const version of ['3.10.8', '4.0.0'])
      assert.deepEqual(queueArguments('classic', version), { 'x-queue-type': 'classic' });
  });

  it('keeps what is given back again and again, and is made once more as it is', async () => {
    const names = await rabbit.declare(['#'], 'quorum');
    await declareRabbit({ ...names, topics: ['#'], type: 'quorum' });
    await rabbit.send(names.queue, message());
    const model = await connect(names.url);
    const channel = await model.createChannel();
    let given = 0;
    await new Promise<void>((resolve, reject) => {
      const giveBack = (raw: Parameters<Parameters<typeof channel.consume>[1]>[0]) => {
        if (raw === null) reject(new Error('the queue is gone'));
        else if (++given > MANY) resolve();
        else channel.nack(raw, false, true);
      };
      channel.consume(names.queue, giveBack).catch(reject);
    });
    await model.close();
    assert.equal((await rabbit.drain(names.queue)).length, 1);
  });
});

import assert from 'node:assert/strict';
import { openTestShop, operation, refused, type TestShop } from './support.js';

describe('the services after the pivot', () => {
  let test: TestShop;
  before(async () => (test = await openTestShop()));
  after(() => test.close());
  beforeEach(() => test.empty());

  const dispatch = (units: number, gid = 'order-o1') =>
    test.shop.participants.shipping.dispatch.action(operation('shipping.dispatch.action', gid), {
      orderId: 'o1',
      customerId: 'c1',
      sku: 'cd',
      units,
    });
  const notify = (customerId: string, gid = 'order-o1') =>
    test.shop.participants.notifications.orderPlaced.action(operation('notifications.orderPlaced.action', gid), {
      orderId: 'o1',
      customerId,
    });

  it('shipping sends a parcel once', async () => {
    assert.deepEqual(await dispatch(2), { shipmentId: 'shipment-o1' });
    assert.deepEqual(await dispatch(2), { shipmentId: 'shipment-o1' });
    await refused(dispatch(2, 'another'), 'AlreadyDispatched');
    assert.equal((await test.sql('shipping', 'select 1 from shipments')).length, 1);
  });

  it('shipping refuses invalid input', async () => {
    assert.match(await refused(dispatch(-1), 'InvalidInput'), /units is -1/);
  });

  it('notifications tell a customer once', async () => {
    assert.deepEqual(await notify('c1'), { orderId: 'o1' });
    assert.deepEqual(await notify('c1'), { orderId: 'o1' });
    await refused(notify('c1', 'another'), 'AlreadyNotified');
    assert.equal((await test.sql('notifications', 'select 1 from notifications')).length, 1);
  });

  it('notifications refuse invalid input', async () => {
    assert.match(await refused(notify(''), 'InvalidInput'), /customerId is ""/);
  });
});

import { participant, saga } from '../../../src/kit/workflow/index.js';
import type { Trip, TripParticipants } from './support.js';

const hotel = participant<TripParticipants['hotel']>('hotel');
const car = participant<TripParticipants['car']>('car');

export const bookTrip = saga({}, async (tx, trip: Trip): Promise<{ booked: string }> => {
  const { room } = await tx.run('hotel', hotel.book, trip, { summary: `a room for ${trip.id}` });
  await tx.run('car', car.rent, trip, { summary: `a car for ${trip.id}` });
  await tx.pivot('confirm', hotel.confirm, trip);
  return { booked: room };
});

/** No transaction: something else that has an id. */
export async function somethingElse(): Promise<void> {
  return Promise.resolve();
}

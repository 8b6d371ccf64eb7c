/** `backstitch/worker`: makes participants into activities. */
export { participantActivities, type ParticipantActivitiesOptions, type ParticipantImplementation } from './activities.js';

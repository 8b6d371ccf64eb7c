/** `backstitch/alarms`: for what receives alarms, which needs nothing of Temporal. */
export { AlarmNotVerified, verifyAlarm, type AlarmEvent, type ReceivedAlarm } from './event.js';

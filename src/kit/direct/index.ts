/** `backstitch/direct`: drives sagas in the caller's own process; a workflow takes over on any trouble. */
export { directLane, type DirectLaneOptions } from './lane.js';
export type { DirectLane } from '../client/direct-lane.js';

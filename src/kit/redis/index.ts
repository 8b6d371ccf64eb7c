/**
 * `backstitch/redis`: locks, markers and guarded work in Redis, by any client.
 */
export { nodeRedis, type NodeRedisClient, type Redis } from './commands.js';
export { redisLeaseLock, type RedisLeaseOptions } from './lease.js';
export { redisMarkers, type RedisMarkerOptions } from './marker.js';
export { onceInRedis, type RedisWork } from './once.js';

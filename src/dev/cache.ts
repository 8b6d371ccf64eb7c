import envPaths from 'env-paths';

/** Where programs that were obtained once are kept: `BACKSTITCH_CACHE`, or the user's cache folder. */
export function cacheFolder(): string {
  return process.env.BACKSTITCH_CACHE ?? envPaths('backstitch', { suffix: '' }).cache;
}

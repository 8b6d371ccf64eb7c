import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { debianProgram } from './debian-program.js';

const chromium = {
  ...{ name: 'chromium', called: 'Chromium', folder: 'chromium' },
  ...{ installed: ['chromium', 'chromium-browser', 'google-chrome'], path: 'usr/lib/chromium/chromium' },
} as const;

/** It asks nobody in the network, and is one of its own. */
const ALONE = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

/** A browser that nobody sees; undefined where there is none to be had, which is told in one line. */
export async function findBrowser(
  onProgress: (line: string) => void,
): Promise<
  { /** @returns the page as it is when it has been drawn */ draw(url: string): Promise<string> } | undefined
> {
  const program = await debianProgram(chromium, onProgress);
  if (program === undefined) return undefined;
  const { command, env } = program;
  return {
    async draw(url) {
      const profile = await mkdtemp(join(tmpdir(), 'backstitch-browser-'));
      try {
        const args = [...ALONE, `--user-data-dir=${profile}`, '--dump-dom', url];
        const options = { timeout: 60_000, env: { ...process.env, ...env } };
        const { stdout } = await promisify(execFile)(command, args, options);
        return stdout;
      } finally {
        await rm(profile, { recursive: true, force: true, maxRetries: 5 });
      }
    },
  };
}

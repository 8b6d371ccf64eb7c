import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { exclusively } from './build-lock.js';
import { cacheFolder } from './cache.js';
import { findOnPath, firstLine, withLimit } from './temporal-program.js';

const run = promisify(execFile);

const VERSION = '1.38.0';

/**
 * A program that runs Temporal's time-skipping test server: obtained before, downloaded by the SDK, or the Java server
 * from Maven's repository with a small script that starts it.
 *
 * @returns a path for `TestWorkflowEnvironment.createTimeSkipping({ server: { executable: { type: 'existing-path', path } } })`
 * @throws one error that says what was tried, and what to install
 */
export async function timeSkippingServer(onProgress: (line: string) => void): Promise<string> {
  const downloaded = join(cacheFolder(), `test-server-download-${VERSION}`);
  const script = join(cacheFolder(), `test-server-${VERSION}`, 'start');
  const known = [downloaded, script].find((path) => existsSync(path));
  if (known !== undefined) return known;
  const wait = () => onProgress('another program obtains the time-skipping test server: waiting for it');
  return exclusively(join(cacheFolder(), 'test-server.lock'), wait, async () => {
    const since = [downloaded, script].find((path) => existsSync(path));
    if (since !== undefined) return since;
    const tried: string[] = [];
    for (const [name, obtain] of [
      ["the SDK's download", () => download(downloaded)],
      ['Maven', () => fromMaven(script, onProgress)],
    ] as const) {
      try {
        return await obtain();
      } catch (error) {
        tried.push(`${name}: ${firstLine(error)}`);
      }
    }
    throw new Error(`no time-skipping test server could be had (${tried.join('; ')}): install Java and Maven`);
  });
}

async function download(to: string): Promise<string> {
  const { TestWorkflowEnvironment } = await import('@temporalio/testing');
  const folder = mkdtempSync(join(cacheFolder(), 'obtaining-'));
  try {
    const started = TestWorkflowEnvironment.createTimeSkipping({
      server: { executable: { type: 'cached-download', downloadDir: folder } },
    });
    const environment = await withLimit(started, 60_000, 'not downloaded within a minute');
    await environment.teardown();
    const [file] = readdirSync(folder);
    if (file === undefined) throw new Error('the download left no file');
    renameSync(join(folder, file), to);
    return to;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>backstitch</groupId><artifactId>test-server</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>io.temporal</groupId><artifactId>temporal-test-server</artifactId><version>${VERSION}</version></dependency>
  </dependencies>
</project>
`;

async function fromMaven(script: string, onProgress: (line: string) => void): Promise<string> {
  const maven = findOnPath('mvn');
  const java = findOnPath('java');
  if (maven === undefined || java === undefined) throw new Error('there is no mvn or no java program on the PATH');
  onProgress('fetching the time-skipping test server with Maven, once: about half a minute');
  const folder = mkdtempSync(join(cacheFolder(), 'obtaining-'));
  try {
    writeFileSync(join(folder, 'pom.xml'), pom);
    const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
    await run(maven, ['-q', '-B', '-f', join(folder, 'pom.xml'), goal, `-DoutputDirectory=${join(folder, 'lib')}`], {
      timeout: 10 * 60_000,
    });
    const home = join(cacheFolder(), `test-server-${VERSION}`);
    // A small heap and the fast compiler only: the server lives for one test run.
    const flags = '-Xmx512m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto';
    const main = `io.temporal.testserver.TestServer`;
    writeFileSync(join(folder, 'start'), `#!/bin/sh\nexec java ${flags} -cp "${join(home, 'lib')}/*" ${main} "$@"\n`, {
      mode: 0o755,
    });
    rmSync(home, { recursive: true, force: true });
    mkdirSync(cacheFolder(), { recursive: true });
    renameSync(folder, home);
    return script;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

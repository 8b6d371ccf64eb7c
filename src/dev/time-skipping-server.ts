import { execFile } from 'node:child_process';
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from './cache.js';
import { obtain } from './obtain.js';
import { sdkDownload } from './sdk-download.js';
import { findOnPath, firstLine } from './temporal-program.js';

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
  const home = join(cacheFolder(), `test-server-${VERSION}`);
  const find = () => [downloaded, join(home, 'start')].find((path) => existsSync(path));
  const onWait = () => {
    onProgress('another program obtains the time-skipping test server: waiting for it');
  };
  const work = async (folder: string) => {
    const tried: string[] = [];
    try {
      return await download(folder, downloaded, onProgress);
    } catch (error) {
      tried.push(`the SDK's download: ${firstLine(error)}`);
    }
    try {
      return await fromMaven(folder, home, onProgress);
    } catch (error) {
      tried.push(`Maven: ${firstLine(error)}`);
    }
    throw new Error(`no time-skipping test server could be had (${tried.join('; ')}): install Java and Maven`);
  };
  return find() ?? obtain({ name: 'test-server', find, onWait, work });
}

async function download(folder: string, to: string, onProgress: (line: string) => void): Promise<string> {
  const { TestWorkflowEnvironment } = await import('@temporalio/testing');
  const start = () =>
    TestWorkflowEnvironment.createTimeSkipping({
      server: { executable: { type: 'cached-download', downloadDir: folder } },
    });
  const file = await sdkDownload(folder, start, onProgress);
  renameSync(file, to);
  return to;
}

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>backstitch</groupId><artifactId>test-server</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>io.temporal</groupId><artifactId>temporal-test-server</artifactId><version>${VERSION}</version></dependency>
  </dependencies>
</project>
`;

// A small heap and the fast compiler only: the server lives for one test run.
const start = `#!/bin/sh
exec java -Xmx512m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto \\
  -cp "$(dirname "$0")/lib/*" io.temporal.testserver.TestServer "$@"
`;

async function fromMaven(folder: string, home: string, onProgress: (line: string) => void): Promise<string> {
  const maven = findOnPath('mvn');
  const missing = ['java', 'mvn'].find((name) => findOnPath(name) === undefined);
  if (maven === undefined || missing !== undefined) throw new Error(`there is no ${missing ?? 'mvn'} on the PATH`);
  onProgress('fetching the time-skipping test server with Maven, once: about half a minute');
  writeFileSync(join(folder, 'pom.xml'), pom);
  const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
  const options = ['-q', '-B', '-f', join(folder, 'pom.xml'), `-DoutputDirectory=${join(folder, 'lib')}`];
  try {
    await run(maven, [...options, goal], { timeout: 10 * 60_000 });
  } catch (error) {
    // Maven tells its errors on the standard output; what the Java machine itself refuses comes on the other.
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    const [, said = firstLine(error)] = /\[ERROR\] (.+)/.exec(stdout) ?? /(.+)/.exec(stderr) ?? [];
    throw new Error(said.slice(0, 300), { cause: error });
  }
  writeFileSync(join(folder, 'start'), start, { mode: 0o755 });
  rmSync(home, { recursive: true, force: true });
  renameSync(folder, home);
  return join(home, 'start');
}

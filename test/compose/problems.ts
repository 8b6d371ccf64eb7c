import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Ajv } from 'ajv';
import { parse } from 'yaml';

/** What the rules below read of a service; the schema has been checked by then. */
interface Service {
  image?: string;
  build?: unknown;
  restart?: string;
  command?: string | string[] | null;
  healthcheck?: { disable?: boolean };
  ports?: (number | string | { host_ip?: string })[];
  volumes?: (string | { type: string; source?: string })[];
  environment?: Record<string, unknown> | string[];
  depends_on?: string[] | Record<string, { condition: string }>;
}

interface Compose {
  services?: Record<string, Service>;
  volumes?: Record<string, unknown>;
}

/**
 * Says what is wrong with a Compose file: against the Compose specification's schema, and then against the rules of
 * this house.
 *
 * @param text the file
 * @param inRepository whether a path, relative to the file, names a file of the repository
 * @returns one line a problem
 */
export function composeProblems(text: string, inRepository: (path: string) => boolean): string[] {
  let compose: unknown;
  try {
    compose = parse(text);
  } catch (error) {
    return [`not YAML: ${(error as Error).message.split('\n', 1)[0] ?? ''}`];
  }
  const shape = shapeProblems(compose);
  return shape.length > 0 ? shape : ruleProblems(compose as Compose, inRepository);
}

const require = createRequire(import.meta.url);

/** The schema is the one that the compose linter carries; it has a `$schema` with https, which ajv does not know. */
function shapeProblems(compose: unknown): string[] {
  const linter = dirname(require.resolve('dclint/package.json'));
  const schema = JSON.parse(readFileSync(join(linter, 'schemas/compose.schema.json'), 'utf8')) as object;
  const validate = new Ajv({ allErrors: true, strict: false, validateSchema: false }).compile(schema);
  if (validate(compose)) return [];
  return (validate.errors ?? []).map(({ instancePath, message, params }) => {
    const { additionalProperty } = params as { additionalProperty?: string };
    const which = additionalProperty === undefined ? '' : `: ${additionalProperty}`;
    return `schema: ${instancePath || '/'} ${message ?? 'is wrong'}${which}`;
  });
}

function ruleProblems({ services = {}, volumes = {} }: Compose, inRepository: (path: string) => boolean): string[] {
  return Object.entries(services).flatMap(([name, service]) =>
    [
      ...imageProblems(service),
      ...healthProblems(name, service),
      ...portProblems(service),
      ...mountProblems(service, Object.keys(volumes), inRepository),
      ...dependencyProblems(service, services),
      ...databaseProblems(service, services),
    ].map((problem) => `${name}: ${problem}`),
  );
}

function imageProblems({ image, build }: Service): string[] {
  if (build !== undefined) return [];
  if (image !== undefined && /:v?\d+\.\d+[\w.-]*$|@sha256:[0-9a-f]{64}$/.test(image)) return [];
  return [`image ${image ?? '(none)'} is not pinned: give a tag with at least a minor version`];
}

function healthProblems(name: string, service: Service): string[] {
  if (isHealthChecked(service) || isOneShot(service) || name === 'worker') return [];
  return [`no healthcheck: give one, or restart: 'no' if it ends by itself`];
}

function isHealthChecked({ healthcheck }: Service): boolean {
  return healthcheck !== undefined && healthcheck.disable !== true;
}

function isOneShot({ restart }: Service): boolean {
  return restart === 'no';
}

function portProblems({ ports = [] }: Service): string[] {
  return ports
    .filter(
      (port) => !(typeof port === 'object' ? port.host_ip === '127.0.0.1' : String(port).startsWith('127.0.0.1:')),
    )
    .map((port) => `port ${typeof port === 'object' ? JSON.stringify(port) : port} is not bound to 127.0.0.1`);
}

function mountProblems(
  { volumes = [] }: Service,
  declared: readonly string[],
  inRepository: (path: string) => boolean,
): string[] {
  const sources = volumes
    .map((volume) => (typeof volume === 'string' ? volume.split(':', 1)[0] : volume.source))
    .filter((source) => source !== undefined);
  return sources.flatMap((source) => {
    if (!/^[./~]/.test(source)) return declared.includes(source) ? [] : [`volume ${source} is not declared`];
    return source.startsWith('.') && inRepository(source) ? [] : [`mounts ${source}, which is not in the repository`];
  });
}

function dependencyProblems({ depends_on = [] }: Service, services: Record<string, Service>): string[] {
  const dependencies: [string, string][] = Array.isArray(depends_on)
    ? depends_on.map((name) => [name, 'service_started'])
    : Object.entries(depends_on).map(([name, { condition }]) => [name, condition]);
  return dependencies.flatMap(([name, condition]) => {
    const service = services[name];
    if (!service) return [`depends on ${name}, which is no service`];
    if (condition === 'service_healthy' && !isHealthChecked(service))
      return [`waits for the health of ${name}, which has no healthcheck`];
    if (condition === 'service_completed_successfully' && !isOneShot(service))
      return [`waits for the end of ${name}, which restarts`];
    return [];
  });
}

/** Each server that a DATABASE_URL points to must be able to prepare transactions. */
function databaseProblems({ environment = {} }: Service, services: Record<string, Service>): string[] {
  const variables: [string, string][] = Array.isArray(environment)
    ? environment.map((line) => [line.split('=', 1)[0] ?? '', line])
    : Object.entries(environment).map(([name, value]) => [name, String(value)]);
  const hosts = variables
    .filter(([name]) => name.startsWith('DATABASE_URL'))
    .map(([name, value]) => [name, /@([^/:@]+)[^@]*$/.exec(value)?.[1] ?? value] as const);
  return hosts.flatMap(([name, host]) => {
    const database = services[host];
    if (!database) return [`${name} names the server ${host}, which is no service`];
    const command = [database.command ?? []].flat().join(' ');
    return /max_prepared_transactions=[1-9]/.test(command)
      ? []
      : [`${name}: ${host} does not enable max_prepared_transactions`];
  });
}
